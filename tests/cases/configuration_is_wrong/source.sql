-- Misspelt keys and numbers out of range: all of them told at once with line and nearest name, nothing touched.
CREATE TABLE t (id INT PRIMARY KEY);
