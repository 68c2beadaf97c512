-- No primary key but a unique index over NOT NULL columns: it is the key, and becomes UNIQUE in the warehouse.
CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, v VARCHAR(10), UNIQUE KEY u (a, b), KEY k (v));
INSERT INTO t SELECT seq DIV 10, seq MOD 10, seq FROM seq_0_to_999;
ANALYZE TABLE t;
