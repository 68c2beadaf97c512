-- Columns that the source drops stay: NOT NULL goes for later rows, a default of the warehouse is used.
CREATE TABLE t (id INT PRIMARY KEY, gone INT NOT NULL, defaulted INT NOT NULL, v INT);
INSERT INTO t VALUES (1, 11, 12, 1), (2, 21, 22, 2);
