-- The warehouse has a view of that name: it is not touched, the table is refused, others go on.
CREATE TABLE taken (id INT PRIMARY KEY);
INSERT INTO taken VALUES (1);
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
