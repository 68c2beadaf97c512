-- A table of MariaDB's own engine without transactions is read statement by statement.
CREATE TABLE aria_t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=Aria;
INSERT INTO aria_t VALUES (1, 'aria'), (2, NULL);
