-- Two rows swap a value that the warehouse keeps unique: they arrive, and a column that only the warehouse has keeps its values.
CREATE TABLE t (id INT PRIMARY KEY, code VARCHAR(20), UNIQUE KEY code (code));
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');
