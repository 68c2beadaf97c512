-- A column that the source gets later, in one chunk and in several: the target gets it too, with its values.
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE TABLE big (id INT PRIMARY KEY);
INSERT INTO big SELECT seq FROM seq_1_to_500;
ANALYZE TABLE big;
