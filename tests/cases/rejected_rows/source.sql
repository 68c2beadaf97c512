-- A text with a NUL byte or invalid UTF-8 sends its row to the quarantine, by key, column and reason; the others arrive.
SET sql_mode = '';
CREATE TABLE notes (id INT PRIMARY KEY, note TEXT, code VARCHAR(20) CHARACTER SET utf8mb4);
INSERT INTO notes VALUES (1, 'fine', 'a'), (2, 'Miller\0secret', 'b'), (3, NULL, 'c');
INSERT INTO notes VALUES (4, 'surrogate', X'EDA080'), (5, 'last', '');
CREATE TABLE good (id INT PRIMARY KEY);
INSERT INTO good VALUES (1);
CREATE TABLE keyless (a VARCHAR(10)) ENGINE=MyISAM;
INSERT INTO keyless VALUES ('x\0'), ('y'), ('x\0');
