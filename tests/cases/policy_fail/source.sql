-- Under the policy fail one zero date fails its table, with the column named; the others arrive.
SET sql_mode = '';
CREATE TABLE bad (id INT PRIMARY KEY, d DATE);
INSERT INTO bad VALUES (1, '2024-01-01'), (2, '0000-00-00');
CREATE TABLE good (id INT PRIMARY KEY, d DATE);
INSERT INTO good VALUES (1, '2024-01-01');
