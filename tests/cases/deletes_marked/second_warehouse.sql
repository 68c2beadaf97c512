-- As an earlier run would have left it: row 5 was there once, and comes back.
INSERT INTO raw.whole (id, v, _deleted_at) VALUES (5, 5, '2020-01-01'), (6, 6, '2020-01-01');
INSERT INTO raw.inc (id, v, updated, _deleted_at) VALUES (900, 5, '2024-01-01', '2020-01-01'), (901, 5, '2024-01-01', '2020-01-01');
CREATE UNIQUE INDEX code ON raw.swapped (code);
