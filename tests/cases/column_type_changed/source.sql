-- Types that the old values may not fit: a new table is built beside the old one and takes its place, in one chunk and in
-- several, with increments and without; what people gave the old table is there again.
CREATE TABLE t (id INT PRIMARY KEY, v INT, w VARCHAR(20));
INSERT INTO t VALUES (1, 1, '1'), (2, NULL, '2');
CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(20),
                  updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO big (id, v, updated) SELECT seq, seq, '2024-01-01' FROM seq_1_to_500;
ANALYZE TABLE big;
CREATE TABLE keyless (v INT);
INSERT INTO keyless VALUES (1), (1), (2);
CREATE TABLE key_changed (id INT PRIMARY KEY, v INT);
INSERT INTO key_changed VALUES (1, 1);
