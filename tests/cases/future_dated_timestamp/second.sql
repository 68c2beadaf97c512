UPDATE t SET v = 2 WHERE id = 7;
INSERT INTO t (v) VALUES (3);
UPDATE isam SET v = 2 WHERE id = 7;
INSERT INTO isam (v) VALUES (3);
UPDATE by_day SET v = 2, day = CURDATE() WHERE id = 7;
INSERT INTO by_day VALUES (102, 3, CURDATE());
