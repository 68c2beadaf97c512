-- The warehouse has a unique index of its own on the target: values that change places do not stop the refresh.
CREATE TABLE t (id INT PRIMARY KEY, code INT NOT NULL, UNIQUE KEY u (code));
INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);
