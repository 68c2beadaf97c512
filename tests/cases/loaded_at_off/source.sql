-- Switched off: new tables are without the column, one that is there stays and is not written.
CREATE TABLE new (id INT PRIMARY KEY, v INT);
INSERT INTO new VALUES (1, 1);
CREATE TABLE old (id INT PRIMARY KEY, v INT);
INSERT INTO old VALUES (1, 10), (2, 2), (3, 3);
