-- Characters beyond the basic plane, alone and joined.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, 'plain', '2024-01-01 00:00:00'), (2, 'plain', '2024-01-01 00:00:00');
