-- Rows of many megabytes go through a lane of their own; those beyond row_mb_max are rejected by their key, unread.
CREATE TABLE texts (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB, c MEDIUMTEXT);
INSERT INTO texts VALUES (1, 'short', 'x', NULL), (2, REPEAT('ä', 2500000), REPEAT(X'00FF', 1000000), NULL), (3, NULL, NULL, NULL),
  (4, REPEAT('x', 5000000), REPEAT('y', 4000000), NULL), (5, NULL, REPEAT(X'5C', 7000000), 'end'), (6, REPEAT('z', 4194304), NULL, NULL);
CREATE TABLE plain (id INT PRIMARY KEY, a LONGTEXT) ENGINE=MyISAM;
INSERT INTO plain VALUES (1, REPEAT('m', 6000000)), (2, 'n'), (3, REPEAT('o', 9000000));
CREATE TABLE chunked (id INT PRIMARY KEY, a LONGTEXT);
INSERT INTO chunked VALUES (1, 'a'), (2, REPEAT('b', 5000000)), (3, 'c'), (4, REPEAT('d', 8388609)), (5, REPEAT('e', 8388608)), (6, 'f'), (7, 'g');
