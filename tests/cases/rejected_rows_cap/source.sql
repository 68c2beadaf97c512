-- More rejected rows than the cap fail the table; nothing of it arrives, others do.
CREATE TABLE bad (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO bad VALUES (1, 'a\0'), (2, 'b\0'), (3, 'c');
CREATE TABLE few (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO few VALUES (1, 'a\0'), (2, 'b');
