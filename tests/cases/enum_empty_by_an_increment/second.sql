SET sql_mode = '';
UPDATE t SET v = 'wrong' WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, NULL);
