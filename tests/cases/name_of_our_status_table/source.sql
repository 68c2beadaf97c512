-- A source table with the name of our status table is refused; the others arrive and the status table is ours.
CREATE TABLE etl_load_status (id INT PRIMARY KEY, v INT);
INSERT INTO etl_load_status VALUES (1, 1);
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
