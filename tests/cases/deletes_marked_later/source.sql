-- A table that applied its deletes marks them from the second run on: the column comes to it, and no row is lost on the way.
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t SELECT seq, seq FROM seq_1_to_100;
CREATE TABLE back (id INT PRIMARY KEY, v INT);
INSERT INTO back VALUES (1, 1), (2, 2);
