-- Keys in three dense islands with huge holes between them: chunks follow the rows, not the numbers.
CREATE TABLE t (id BIGINT PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT seq, seq FROM seq_1_to_2000;
INSERT INTO t SELECT 1000000000000 + seq, seq FROM seq_1_to_2000;
INSERT INTO t SELECT 9000000000000000000 + seq * 1000003, seq FROM seq_1_to_2000;
INSERT INTO t VALUES (-9000000000000000000, -1);
ANALYZE TABLE t;
