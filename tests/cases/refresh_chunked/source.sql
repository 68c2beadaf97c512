-- The same refresh in several chunks, merged from a staging table.
CREATE TABLE t (id INT PRIMARY KEY, code INT NOT NULL, name VARCHAR(30) COLLATE utf8mb4_general_ci, v INT, UNIQUE KEY u (code));
INSERT INTO t SELECT seq, seq, CONCAT('name ', seq), seq FROM seq_1_to_1000;
ANALYZE TABLE t;
