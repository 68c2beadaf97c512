-- Tables of the warehouse that are older than the column get it, or stay as they are; nobody knows when their old rows were written.
CREATE TABLE old (id INT PRIMARY KEY, v INT);
INSERT INTO old VALUES (1, 1), (2, 2), (3, 3);
CREATE TABLE not_owned (id INT PRIMARY KEY, v INT);
INSERT INTO not_owned VALUES (1, 1), (2, 2);
CREATE TABLE of_others (id INT PRIMARY KEY, v INT);
INSERT INTO of_others VALUES (1, 1), (2, 2);
CREATE TABLE same (id INT PRIMARY KEY);
INSERT INTO same VALUES (1);
