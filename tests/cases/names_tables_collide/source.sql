-- Two tables that PostgreSQL would cut to one name: refused before anything is written, both named.
CREATE TABLE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa` (id INT PRIMARY KEY);
CREATE TABLE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` (id INT PRIMARY KEY);
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
