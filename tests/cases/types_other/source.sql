-- JSON, ENUM with its empty error value, SET, BINARY with trailing zeros, and shapes.
SET sql_mode = '';
CREATE TABLE t (
  id INT PRIMARY KEY, j JSON, e ENUM('small', 'Big', 'it''s', ''), s SET('a', 'b', 'c d'), bi BINARY(4), vb VARBINARY(8), bl BLOB);
INSERT INTO t VALUES
  (1, '{"a": [1, 2.5, null], "ключ": "😀 \\" \\\\"}', 'small', 'a,c d', 'ab', 'ab', UNHEX('00FF0A5C2E0A')),
  (2, '[]', 'it''s', '', UNHEX('00000000'), '', ''), (3, '"text"', '', NULL, NULL, NULL, NULL),
  (4, NULL, 'not a member', 'a,not a member', 'abcdef', NULL, NULL);
CREATE TABLE shapes (id INT PRIMARY KEY, p POINT, l LINESTRING, g GEOMETRY NOT NULL);
INSERT INTO shapes VALUES (1, ST_GeomFromText('POINT(1.5 -2)'), ST_GeomFromText('LINESTRING(0 0,1 1,2 0)'), ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))')),
  (2, NULL, NULL, ST_GeomFromText('POINT(1 2)', 3857));
