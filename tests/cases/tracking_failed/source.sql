-- Every configured table has its record: loaded, failed with its last success kept, never loaded, not asked for.
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1), (2);
CREATE TABLE changed (id INT PRIMARY KEY, v INT);
INSERT INTO changed VALUES (1, 1), (2, 2), (3, 3);
CREATE TABLE left_out (id INT PRIMARY KEY);
