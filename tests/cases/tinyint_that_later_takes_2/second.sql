UPDATE t SET v = 2 WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, -128);
