-- Other types by rule: each value arrives exactly or falls under its policy; what is shorter or narrower is never cut.
CREATE TABLE t (id INT PRIMARY KEY, flag TINYINT(1), guid CHAR(36), raw_guid BINARY(16), small INT, big BIGINT UNSIGNED, doc JSON,
  day DATETIME, clock TIME, moment DATETIME, price DECIMAL(10,2), short VARCHAR(10), word INT, wide FLOAT, amount INT UNSIGNED);
INSERT INTO t VALUES (1, 1, '6ccd780c-baba-1026-9564-5b8c656024db', X'6ccd780cbaba102695645b8c656024db', 32767, 9223372036854775807,
  '{"a": 1, "b": 2}', '2024-02-29 00:00:00', '23:59:59', '2024-02-29 12:00:00', 12.50, 'abc', 42, 0.5, 12345678),
 (2, 0, NULL, NULL, -32768, 18446744073709551615, '[]', NULL, '00:00:00', NULL, -0.01, 'ü', -1, -1.25, 0),
 (3, 2, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, 0, '', 0, 0, 0),
 (4, 1, 'no guid', NULL, 0, 0, '[]', NULL, NULL, NULL, 0, '', 0, 0, 0),
 (5, 1, NULL, NULL, 32768, 0, '[]', NULL, NULL, NULL, 0, '', 0, 0, 0),
 (6, 1, NULL, NULL, 0, 0, '[]', '2024-02-29 00:00:01', NULL, NULL, 0, '', 0, 0, 0),
 (7, 1, NULL, NULL, 0, 0, '[]', NULL, '24:00:01', NULL, 0, '', 0, 0, 0),
 (8, 1, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, 0, 'abcd', 0, 0, 0),
 (9, 1, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, 0, 'abc ', 0, 0, 0),
 (10, 1, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, 0, '', 0, 0, 123456789);
