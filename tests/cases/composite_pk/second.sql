UPDATE t SET v = 2 WHERE clinic = 3 AND code = 'code 7';
UPDATE isam SET v = 2 WHERE a = 3 AND b = 7;
DELETE FROM isam WHERE a = 4 AND b = 8;
INSERT INTO t (clinic, code, v) VALUES (3, 'code 100', 3), (-1, '', 3);
INSERT INTO isam (a, b, v) VALUES (3, 100, 3);
