-- Somebody drops the target of a table that is loaded by increments: the state row belongs to a table that is no more, so
-- all rows are read, not only the new one.
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_1500;
CREATE TABLE by_key (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL) ENGINE=MyISAM;
INSERT INTO by_key (id, v) SELECT seq, seq FROM seq_1_to_1500;
ANALYZE TABLE t, by_key;
