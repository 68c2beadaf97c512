-- The target has lost its primary key and holds a row twice: matched by key both would look unchanged. Rows are matched by
-- their image then, and the surplus one goes.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10) NOT NULL);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
