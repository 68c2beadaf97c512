-- A rule that would have to invent values is refused before anything is read.
CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(10), other INT);
INSERT INTO t VALUES (1, '1', 2);
