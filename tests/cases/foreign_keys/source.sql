-- Tables that refer to each other, in a circle too: order does not matter, the target has no foreign keys.
CREATE TABLE a (id INT PRIMARY KEY, b INT);
CREATE TABLE b (id INT PRIMARY KEY, a INT NOT NULL, FOREIGN KEY (a) REFERENCES a (id));
INSERT INTO a VALUES (1, NULL), (2, NULL);
INSERT INTO b VALUES (1, 2), (2, 1);
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b (id);
UPDATE a SET b = id;
