-- Zero, partial and impossible dates become NULL and are counted, also in NOT NULL columns and in a table of one chunk.
SET sql_mode = 'ALLOW_INVALID_DATES';
CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, dt DATETIME NOT NULL, ts TIMESTAMP NOT NULL DEFAULT '2000-01-01', n DATE);
INSERT INTO t VALUES (1, '2024-01-31', '2024-01-31 10:00:00', '2024-01-31 10:00:00', NULL), (2, 0, 0, 0, 0),
  (3, '2000-00-00', '2000-05-00', '2024-01-01', '2024-02-30'), (4, '0000-00-00', '1000-01-01', '2024-01-01', '0000-00-00');
