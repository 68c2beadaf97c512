-- A unique index of the warehouse meets the value of a row that is marked: the table fails and says which index would do.
CREATE TABLE t (id INT PRIMARY KEY, code INT NOT NULL);
INSERT INTO t VALUES (1, 10), (2, 20);
