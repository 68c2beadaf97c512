-- No key at all and rows that occur several times: as many arrive, and a refresh changes as many as it must.
CREATE TABLE t (a INT, b VARCHAR(10));
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, ''), (2, NULL), (2, NULL), (NULL, NULL);
