-- Without a key, or with the column's name taken, nothing can be marked: the table is refused and what stands stays.
CREATE TABLE keyless (v INT);
INSERT INTO keyless VALUES (1), (2);
CREATE TABLE own (id INT PRIMARY KEY, _Deleted_At DATETIME);
INSERT INTO own VALUES (1, NULL);
CREATE TABLE fine (id INT PRIMARY KEY);
INSERT INTO fine VALUES (1);
CREATE TABLE theirs (id INT PRIMARY KEY, v INT);
INSERT INTO theirs VALUES (1, 2);
