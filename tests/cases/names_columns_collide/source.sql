-- Two columns that PostgreSQL would cut to one name: that table is refused by name, the others arrive.
CREATE TABLE bad (id INT PRIMARY KEY, `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa` INT, `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` INT);
INSERT INTO bad VALUES (1, 2, 3);
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
