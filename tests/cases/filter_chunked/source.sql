-- A row filter in a table of several chunks: counts are taken under the filter too.
CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT seq, seq MOD 10 FROM seq_1_to_2000;
ANALYZE TABLE t;
