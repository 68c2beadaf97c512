INSERT INTO patientnote VALUES (5, 2), (15005, 2), (-3, 2);
UPDATE patientnote SET v = 2 WHERE PatNum = 700;
INSERT INTO t VALUES (5, 2), (15005, 2), (-3, 2);
INSERT INTO shuffled (id, v) VALUES (1, 2), (2, 2), (20000, 2) ON DUPLICATE KEY UPDATE v = 2;
