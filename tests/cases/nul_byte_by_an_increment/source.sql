-- A text with a NUL byte comes with an increment: its row goes to the quarantine and leaves it when the text is mended.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, 'a', '2024-01-01 00:00:00'), (2, 'b', '2024-01-01 00:00:00'), (3, CONCAT('a', CHAR(0), 'b'), '2024-01-01 00:00:00');
CREATE TABLE clean (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO clean (id, v, updated) VALUES (1, 'a', '2024-01-01 00:00:00'), (2, 'b', '2024-01-01 00:00:00');
