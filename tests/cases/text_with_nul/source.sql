-- A NUL in a text cannot be held by PostgreSQL: that table fails with the column named and no value shown, others go on.
CREATE TABLE bad (id INT PRIMARY KEY, note TEXT);
INSERT INTO bad VALUES (1, 'fine'), (2, 'Miller\0secret');
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
