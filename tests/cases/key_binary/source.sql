-- A BINARY(16) key, as for UUIDs: bytes of any value, cut into chunks.
CREATE TABLE t (id BINARY(16) PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), seq FROM seq_1_to_1500;
INSERT INTO t VALUES (UNHEX(REPEAT('00', 16)), -1), (UNHEX(REPEAT('FF', 16)), -2), (UNHEX('27'), -3), (UNHEX('5C00'), -4);
ANALYZE TABLE t;
