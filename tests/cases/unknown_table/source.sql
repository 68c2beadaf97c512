-- A table that does not exist, asked for by name: usage error with the nearest name, nothing written.
CREATE TABLE patient (id INT PRIMARY KEY);
INSERT INTO patient VALUES (1);
