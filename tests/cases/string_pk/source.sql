-- A text key, by increments: no range in SQL is made of it, because the servers sort differently; a delete shows in the total
-- and leads to the whole table.
CREATE TABLE t (name VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO t SELECT CONCAT(ELT(1 + seq MOD 8, 'a', 'B', 'ç', 'É', 'ß', '_', 'Z', '10'), ' ', seq), 1, '2024-01-01 00:00:00' FROM seq_1_to_800;
CREATE TABLE bytes (id BINARY(16) PRIMARY KEY, v INT NOT NULL, updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM;
INSERT INTO bytes SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), seq, '2024-01-01 00:00:00' FROM seq_1_to_800;
CREATE TABLE unmoved (name VARCHAR(40) PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO unmoved SELECT seq, 1, '2024-01-01 00:00:00' FROM seq_1_to_800;
ANALYZE TABLE t, bytes, unmoved;
