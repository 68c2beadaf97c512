-- A column that the source gets later, in one chunk and in several: the target gets it too, with its values. A table that is
-- loaded by increments gets it for its old rows, too, which no timestamp shows.
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE TABLE big (id INT PRIMARY KEY);
INSERT INTO big SELECT seq FROM seq_1_to_500;
CREATE TABLE medication (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO medication SELECT seq, CONCAT('drug ', seq), '2024-01-01' FROM seq_1_to_500;
ANALYZE TABLE big, medication;
