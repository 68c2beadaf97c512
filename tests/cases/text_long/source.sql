-- Cells from one byte to four megabytes, rows of very different lengths in one table.
CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT, b LONGBLOB);
INSERT INTO t SELECT seq, REPEAT('é"\n', POW(4, seq)), REPEAT(UNHEX('00FF5C0A'), POW(4, seq)) FROM seq_0_to_10;
