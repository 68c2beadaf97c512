-- Every row says when this version of it was written: a refresh stamps the rows that it changes or adds, and no others.
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
CREATE TABLE many (id INT PRIMARY KEY, v INT);
INSERT INTO many SELECT seq, seq FROM seq_1_to_1000;
CREATE TABLE keyless (v INT);
INSERT INTO keyless VALUES (1), (2), (2);
CREATE TABLE swapped (id INT PRIMARY KEY, code INT NOT NULL, UNIQUE KEY code (code));
INSERT INTO swapped VALUES (1, 10), (2, 20), (3, 30);
-- Columns of the name in question, which is one name on the source: each keeps its own and gets no other.
CREATE TABLE own (id INT PRIMARY KEY, _loaded_at DATETIME);
INSERT INTO own VALUES (1, '2001-02-03 04:05:06');
CREATE TABLE own_upper (id INT PRIMARY KEY, _LOADED_AT TIMESTAMP NULL);
INSERT INTO own_upper VALUES (1, '2001-02-03 04:05:06');
CREATE TABLE `_loaded_at` (id INT PRIMARY KEY);
INSERT INTO `_loaded_at` VALUES (1);
ANALYZE TABLE many;
