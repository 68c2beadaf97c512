-- Views, grants and indexes on a target stay over a refresh, first whole, then in several chunks.
CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT seq, seq FROM seq_1_to_500;
ANALYZE TABLE t;
