-- Sequences and the history of system-versioned tables are not copied.
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO t VALUES (1, 1), (2, 2);
UPDATE t SET v = 20 WHERE id = 2;
DELETE FROM t WHERE id = 1;
CREATE SEQUENCE s;
