UPDATE t SET v = b'1' WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, b'1');
