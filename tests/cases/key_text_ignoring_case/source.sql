-- A text key whose order ignores case and accents: only the source can compare it, so it sets the boundaries itself.
CREATE TABLE t (name VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT NOT NULL);
INSERT INTO t SELECT CONCAT(ELT(1 + seq MOD 8, 'a', 'B', 'ç', 'É', 'ß', '_', 'Z', '10'), ' ', seq), seq FROM seq_1_to_1600;
INSERT INTO t VALUES ('quote''s "and" \\ back', 1), ('100%', 2), ('中文', 3), ('😀 first', 4), ('', 5);
ANALYZE TABLE t;
