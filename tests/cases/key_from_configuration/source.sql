-- A key named in tables.yml for a table without one: its rows are updated instead of replaced.
CREATE TABLE t (id INT NOT NULL, v VARCHAR(10));
INSERT INTO t VALUES (1, 'a'), (2, 'b');
