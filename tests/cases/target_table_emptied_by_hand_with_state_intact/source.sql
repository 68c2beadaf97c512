-- Somebody empties targets whose tables are loaded by increments, by DELETE and by TRUNCATE: the counts see it and all rows
-- come back, also where no row has changed.
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_1500;
CREATE TABLE truncated (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM;
INSERT INTO truncated (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_1500;
CREATE TABLE by_name (name VARCHAR(20) PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO by_name (name, v, updated) SELECT CONCAT('name ', seq), seq, '2024-01-01 00:00:00' FROM seq_1_to_1500;
ANALYZE TABLE t, truncated, by_name;
