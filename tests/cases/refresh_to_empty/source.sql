-- All rows are gone from the source: they go from the warehouse too, in one chunk and in several.
CREATE TABLE small (id INT PRIMARY KEY);
INSERT INTO small VALUES (1), (2);
CREATE TABLE big (id INT PRIMARY KEY);
INSERT INTO big SELECT seq FROM seq_1_to_500;
CREATE TABLE stays (id INT PRIMARY KEY);
INSERT INTO stays VALUES (1);
ANALYZE TABLE big;
