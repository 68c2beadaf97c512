-- The empty error value of an ENUM arrives as the empty text, not as NULL.
SET sql_mode = '';
CREATE TABLE t (id INT PRIMARY KEY, v ENUM('a', 'b'), updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, 'a', '2024-01-01 00:00:00'), (2, 'a', '2024-01-01 00:00:00');
