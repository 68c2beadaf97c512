UPDATE t SET v = 2 WHERE name = 'É 3';
DELETE FROM t WHERE name = 'B 1';
INSERT INTO t (name, v) VALUES ('É 3 ', 3), ('😀', 3) ON DUPLICATE KEY UPDATE v = 4;
UPDATE bytes SET v = 0 WHERE v = 7;
DELETE FROM bytes WHERE v = 8;
UPDATE unmoved SET v = 2 WHERE name = '7';
