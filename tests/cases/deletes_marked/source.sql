-- Rows that the source has no more stay and say since when; one that comes back is as before. Whole, by increments and in chunks.
CREATE TABLE whole (id INT PRIMARY KEY, v INT);
INSERT INTO whole VALUES (1, 1), (2, 2), (3, 3), (4, 4);
CREATE TABLE inc (id INT PRIMARY KEY AUTO_INCREMENT, v INT,
                  updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO inc (v, updated) SELECT seq, '2024-01-01' FROM seq_1_to_300;
CREATE TABLE chunked (id INT PRIMARY KEY, v INT);
INSERT INTO chunked SELECT seq, seq FROM seq_1_to_1000;
CREATE TABLE swapped (id INT PRIMARY KEY, code INT NOT NULL, UNIQUE KEY code (code));
INSERT INTO swapped VALUES (1, 10), (2, 20), (3, 30);
CREATE TABLE still (id INT PRIMARY KEY, v INT);
INSERT INTO still VALUES (1, 1);
CREATE TABLE applied (id INT PRIMARY KEY, v INT);
INSERT INTO applied VALUES (1, 1), (2, 2);
ANALYZE TABLE inc, chunked;
CREATE TABLE child (id INT PRIMARY KEY, applied_id INT NOT NULL, FOREIGN KEY child_fk (applied_id) REFERENCES applied (id) ON DELETE CASCADE);
INSERT INTO child VALUES (1, 1), (2, 2);
