-- Views, sequences and the history of system-versioned tables are not copied by themselves.
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO t VALUES (1, 1), (2, 2);
UPDATE t SET v = 20 WHERE id = 2;
DELETE FROM t WHERE id = 1;
CREATE VIEW v AS SELECT * FROM t;
CREATE SEQUENCE s;
