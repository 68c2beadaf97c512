-- Ten thousand rows of one statement carry one timestamp, many more than a chunk holds: all of them arrive, and so do rows
-- that get the same one afterwards.
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (v, updated) SELECT 1, '2024-01-01 00:00:00' FROM seq_1_to_12000;
CREATE TABLE isam (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM;
INSERT INTO isam (v, updated) SELECT 1, '2024-01-01 00:00:00' FROM seq_1_to_12000;
ANALYZE TABLE t, isam;
