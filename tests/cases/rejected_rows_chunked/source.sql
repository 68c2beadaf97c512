-- Many chunks, some with bad rows: each chunk keeps its good ones, and the second run finds the same.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t SELECT seq, IF(seq % 333 = 0, CONCAT('a', CHAR(0), seq), CONCAT('v', seq)) FROM seq_1_to_1000;
