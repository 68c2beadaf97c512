-- Policies by run and by column: every use is counted, and a NOT NULL column gives way where NULL is put.
SET sql_mode = '';
CREATE TABLE t (id INT PRIMARY KEY, plain TEXT, strip1 TEXT, u1 TEXT, n1 TEXT, flag TINYINT(1) NOT NULL, num TINYINT(2));
INSERT INTO t VALUES (1, 'a\0b', 'a\0b', X'61EDBFBF62', X'61EDA08062', 1, 5), (2, 'ok', '\0', 'ü', 'é', 0, -1), (3, '', NULL, NULL, '', 7, 1);
