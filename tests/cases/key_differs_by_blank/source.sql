-- Keys that PostgreSQL keeps apart and the source's collation does too: by case, by accent, by a trailing blank in bytes.
CREATE TABLE bin (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT);
INSERT INTO bin VALUES ('a', 1), ('A', 2), ('á', 3);
CREATE TABLE bytes (k VARBINARY(10) PRIMARY KEY, v INT);
INSERT INTO bytes VALUES ('a', 1), ('a ', 2), ('A', 3), (X'6100', 4);
CREATE TABLE ci (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO ci VALUES ('key', 1), ('other ', 2);
