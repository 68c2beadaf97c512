-- A table that the source gets later is found by the pattern; one that is gone stays as it is and is told,
-- also when the configuration has its name.
CREATE TABLE sales_2023 (id INT PRIMARY KEY);
INSERT INTO sales_2023 VALUES (1);
CREATE TABLE sales_2024 (id INT PRIMARY KEY);
INSERT INTO sales_2024 VALUES (1);
