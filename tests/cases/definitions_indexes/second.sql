-- Two rows swap their unique value, one takes a freed one.
UPDATE t SET code = 'tmp' WHERE id = 1;
UPDATE t SET code = 'a' WHERE id = 2;
UPDATE t SET code = 'b' WHERE id = 1;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (5, 'c', 5, 'v', '[]');
