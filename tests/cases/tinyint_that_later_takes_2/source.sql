-- A column that held 0 and 1 for years takes 2 one day: its type came from its declaration, not from its values.
CREATE TABLE t (id INT PRIMARY KEY, v TINYINT(1) NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, 1, '2024-01-01 00:00:00'), (2, 1, '2024-01-01 00:00:00');
