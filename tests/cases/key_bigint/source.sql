-- A signed key from its smallest to its greatest value, cut into chunks: no row at either end is lost.
CREATE TABLE t (id BIGINT PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT -9223372036854775808 + CAST(seq AS SIGNED), seq FROM seq_0_to_299;
INSERT INTO t SELECT 9223372036854775807 - CAST(seq AS SIGNED), seq FROM seq_0_to_299;
INSERT INTO t SELECT CAST(seq AS SIGNED) - 150, seq FROM seq_0_to_299;
ANALYZE TABLE t;
