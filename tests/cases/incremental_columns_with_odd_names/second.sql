UPDATE `Order` SET v = 2 WHERE `select` = 7;
UPDATE quoted SET v = 2, `it's; DROP TABLE quoted -- "` = NOW() WHERE id = 7;
UPDATE quoted SET v = 2, `a``b` = NOW() WHERE id = 8;
UPDATE quoted SET v = 2, `it's; DROP TABLE quoted -- "` = NOW(), `a``b` = NULL WHERE id = 9;
INSERT INTO `key` (v) VALUES (2);
