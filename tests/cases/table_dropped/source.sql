-- A table that is gone from the source keeps its last state in the warehouse.
CREATE TABLE gone (id INT PRIMARY KEY);
INSERT INTO gone VALUES (1);
CREATE TABLE stays (id INT PRIMARY KEY);
INSERT INTO stays VALUES (1);
