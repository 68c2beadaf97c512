-- While a table is filled by many, autovacuum leaves it alone; finished, it has no setting that keeps it from being vacuumed.
CREATE TABLE chunked (id INT PRIMARY KEY, v LONGTEXT);
INSERT INTO chunked SELECT seq, REPEAT('x', seq) FROM seq_1_to_1000;
CREATE TABLE small (id INT PRIMARY KEY, v LONGTEXT);
INSERT INTO small VALUES (1, 'x');
ANALYZE TABLE chunked;
