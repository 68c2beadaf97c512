-- Zero and partial dates that come with an increment become NULL and are counted; the column gives up NOT NULL.
SET sql_mode = '';
CREATE TABLE t (id INT PRIMARY KEY, v DATE NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t (id, v, updated) VALUES (1, '2024-02-29', '2024-01-01 00:00:00'), (2, '2024-02-29', '2024-01-01 00:00:00');
