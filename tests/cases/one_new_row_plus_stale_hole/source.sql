-- A hole in the target, and one new row a day: the increments are not empty, so a look only at empty ones would never find
-- the hole.
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) SELECT seq, seq, '2024-01-01 00:00:00' FROM seq_1_to_1090;
CREATE TABLE by_key (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL) ENGINE=MyISAM;
INSERT INTO by_key (id, v) SELECT seq, seq FROM seq_1_to_1090;
ANALYZE TABLE t, by_key;
