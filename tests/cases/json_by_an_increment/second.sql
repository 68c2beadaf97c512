UPDATE t SET v = '{"a": 2, "b": [true, null, "é😀"]}' WHERE id = 2;
INSERT INTO t (id, v) VALUES (3, '[]');
