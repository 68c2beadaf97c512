-- Views are not copied by themselves.
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (2, 20);
CREATE VIEW v AS SELECT * FROM t;
