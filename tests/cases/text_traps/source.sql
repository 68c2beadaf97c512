-- Everything that ends, quotes or escapes something in one of the formats on the way, in every place of a row.
CREATE TABLE t (id INT PRIMARY KEY, first TEXT, middle VARCHAR(60) NOT NULL, last LONGTEXT);
INSERT INTO t VALUES
  (1, 'a,b', 'say "hi"', 'it''s'), (2, 'line\nfeed', 'carriage\rreturn', 'both\r\n'), (3, 'tab\there', '\\', '\\\\'),
  (4, '\\N', '\\.', '\\.'), (5, NULL, '', ''), (6, 'NULL', 'null', '(null)'), (7, '😀🦷', '𝕊', '👩‍⚕️'),
  (8, '\u202e', ' lead', 'trail   '), (9, '""', '"', ',"'), (10, '{"a":1}', '{}', '[]'), (11, 'x\0x', 'y', 'z'),
  (12, '\Z', '%_', ';--'), (13, '\b', '\x7f', '\x01');
DELETE FROM t WHERE id = 11;
