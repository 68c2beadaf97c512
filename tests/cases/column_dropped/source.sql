-- A column that the source drops stays in the warehouse; new rows have NULL in it.
CREATE TABLE t (id INT PRIMARY KEY, gone VARCHAR(10), v INT);
INSERT INTO t VALUES (1, 'old', 1), (2, 'old', 2);
