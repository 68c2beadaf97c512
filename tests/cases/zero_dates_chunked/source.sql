-- The same in a table of several chunks: the column gives up NOT NULL while other chunks are being copied.
SET sql_mode = '';
CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, e DATETIME NOT NULL, v INT NOT NULL);
INSERT INTO t SELECT seq, IF(seq MOD 100 = 0, 0, '2024-01-01'), IF(seq MOD 250 = 1, 0, '2024-01-01'), seq FROM seq_1_to_2000;
ANALYZE TABLE t;
