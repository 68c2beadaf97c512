-- Secondary indexes are built after the data, named without collision; what PostgreSQL cannot have is listed. A second run
-- finds them, also where two rows have swapped a unique value.
CREATE TABLE t (id INT PRIMARY KEY, code VARCHAR(20), n INT, body TEXT, doc JSON, UNIQUE KEY code (code), KEY n_code (n, code),
  KEY `iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii` (n), KEY start (body(10)), FULLTEXT KEY words (body), KEY dash (n));
INSERT INTO t VALUES (1, 'a', 1, 'x', '[]'), (2, 'b', 2, 'y', '[]'), (3, NULL, 2, 'z', '[]'), (4, NULL, 3, '', '[]');
CREATE TABLE t_n (code INT, id INT PRIMARY KEY, KEY code (code));
INSERT INTO t_n VALUES (5, 1);
CREATE TABLE u (k VARCHAR(10) NOT NULL, v INT, UNIQUE KEY k (k));
INSERT INTO u VALUES ('x', 1);
