-- A primary key of three columns of different types, cut into chunks along the server's own order.
CREATE TABLE t (clinic SMALLINT NOT NULL, code VARCHAR(20) NOT NULL, day DATE NOT NULL, v INT, PRIMARY KEY (clinic, code, day));
INSERT INTO t SELECT CAST(seq AS SIGNED) MOD 7 - 3, CONCAT('Code ', seq MOD 50), DATE '2020-02-27' + INTERVAL (seq DIV 350) DAY, seq FROM seq_0_to_2799;
ANALYZE TABLE t;
