-- A type that does not fit the target any more: that table fails with both types named and keeps its rows, others go on.
CREATE TABLE bad (id INT PRIMARY KEY, v INT);
INSERT INTO bad VALUES (1, 1);
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
