-- A JSON document that comes with an increment.
CREATE TABLE t (id INT PRIMARY KEY, v JSON, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, '{"a": 1}', '2024-01-01 00:00:00'), (2, '{"a": 1}', '2024-01-01 00:00:00');
