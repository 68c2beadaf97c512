-- A view is copied when it is asked for by name, and only then.
CREATE TABLE patient (id INT PRIMARY KEY, name VARCHAR(20), secret VARCHAR(20));
INSERT INTO patient VALUES (1, 'a', 'x'), (2, 'b', 'y');
CREATE VIEW patient_public AS SELECT id, name FROM patient;
