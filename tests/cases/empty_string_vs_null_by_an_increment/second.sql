UPDATE t SET v = '' WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, NULL);
