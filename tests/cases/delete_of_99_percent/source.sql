-- Nearly all rows are deleted at the source. An empty or wrong source looks just like that: the tables fail, their rows
-- stand, and the message says how to have it all the same.
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_2000;
CREATE TABLE isam (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM;
INSERT INTO isam (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_2000;
CREATE TABLE by_name (name VARCHAR(20) PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO by_name (name, v, updated) SELECT CONCAT('name ', seq), seq, '2024-01-01 00:00:00' FROM seq_1_to_2000;
CREATE TABLE whole (id INT PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO whole (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_2000;
ANALYZE TABLE t, isam, by_name, whole;
