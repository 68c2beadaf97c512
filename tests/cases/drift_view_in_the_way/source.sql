-- A view reads a column whose type changes: that table fails before it is touched and the view is named; others go on.
CREATE TABLE widened (id INT PRIMARY KEY, v INT);
INSERT INTO widened VALUES (1, 1);
CREATE TABLE made_anew (id INT PRIMARY KEY, v VARCHAR(20), w INT);
INSERT INTO made_anew VALUES (1, '1', 1);
CREATE TABLE other (id INT PRIMARY KEY, v INT);
INSERT INTO other VALUES (1, 1);
