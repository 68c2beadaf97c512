-- A column with a value in every old row: a table that loads by increments and one that does not read all rows for it, and
-- the watermark goes on afterwards.
CREATE TABLE inc (id INT PRIMARY KEY AUTO_INCREMENT, v INT,
                  updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO inc (v, updated) SELECT seq, '2024-01-01' FROM seq_1_to_300;
CREATE TABLE whole (id INT PRIMARY KEY, v INT);
INSERT INTO whole SELECT seq, seq FROM seq_1_to_300;
ANALYZE TABLE inc, whole;
