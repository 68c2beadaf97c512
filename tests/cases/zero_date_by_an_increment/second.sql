SET sql_mode = '';
UPDATE t SET v = '0000-00-00' WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, '2024-00-15');
