-- Which tables: include and exclude with globs; what is left out leaves no trace.
CREATE TABLE patient (id INT PRIMARY KEY);
CREATE TABLE patient_note (id INT PRIMARY KEY);
CREATE TABLE log_a (id INT PRIMARY KEY);
CREATE TABLE `Patient` (id INT PRIMARY KEY);
INSERT INTO patient VALUES (1); INSERT INTO patient_note VALUES (2); INSERT INTO log_a VALUES (3); INSERT INTO `Patient` VALUES (4);
