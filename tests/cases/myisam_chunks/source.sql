-- A MyISAM table in several chunks: each is drained before it is written, and their sum is the table.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL) ENGINE=MyISAM;
INSERT INTO t SELECT seq * 3, REPEAT(seq, 10) FROM seq_1_to_3000;
ANALYZE TABLE t;
