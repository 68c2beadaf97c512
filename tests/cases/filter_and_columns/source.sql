-- tables.yml takes some rows and some columns; a key that loses a column is no key any more.
CREATE TABLE visits (id INT PRIMARY KEY, kind VARCHAR(10) NOT NULL, note TEXT, secret TEXT);
INSERT INTO visits VALUES (1, 'a', 'n1', 's1'), (2, 'b', 'n2', 's2'), (3, 'a', NULL, 's3');
CREATE TABLE nokey (id INT PRIMARY KEY, v INT);
INSERT INTO nokey VALUES (1, 7), (2, 7), (3, 8);
