-- JSON that only PostgreSQL knows it cannot take (a number beyond numeric): its rows are found by halving the chunk, in a
-- table with one chunk, in one with many, and in one without transactions.
CREATE TABLE single (id INT PRIMARY KEY, doc LONGTEXT CHECK (json_valid(doc)), other VARCHAR(10));
INSERT INTO single SELECT seq, IF(seq IN (1, 57, 58, 100), '{"n": 1e999999}', CONCAT('{"n": ', seq, '}')), 'x' FROM seq_1_to_100;
CREATE TABLE chunked (a INT, b VARCHAR(5), doc LONGTEXT CHECK (json_valid(doc)), PRIMARY KEY (a, b));
INSERT INTO chunked SELECT seq, 'k', IF(seq IN (51, 300), '[1e999999]', '[1]') FROM seq_1_to_300;
CREATE TABLE plain (id INT PRIMARY KEY, doc LONGTEXT CHECK (json_valid(doc))) ENGINE=MyISAM;
INSERT INTO plain VALUES (1, '[1e999999]'), (2, '[]');
CREATE TABLE escapes (id INT PRIMARY KEY, doc LONGTEXT CHECK (json_valid(doc)));
INSERT INTO escapes VALUES (1, '{"a": "\\u0000"}'), (3, '{"a": "\\\\u0000"}'), (4, '{"a": "\\ud83d\\ude00"}');
