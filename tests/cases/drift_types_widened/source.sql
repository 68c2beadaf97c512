-- Types that become wider are altered in place: values stay, no row is written by the refresh but those that changed.
-- A view of another column, a grant and an index stay too.
CREATE TABLE t (id SMALLINT PRIMARY KEY, i SMALLINT, b INT, u BIGINT, d DECIMAL(6,2), p DECIMAL(6,2), s VARCHAR(5), x VARCHAR(5),
                at DATETIME, ts TIMESTAMP NULL, f FLOAT, day DATE, other INT NOT NULL);
INSERT INTO t VALUES (1, -32768, -2147483648, 9223372036854775807, 1234.56, 1234.56, 'abcde', 'abcde', '2024-01-02 03:04:05',
                      '2024-01-02 03:04:05', 1.5, '2024-02-29', 10),
                     (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 20);
CREATE TABLE big (id INT PRIMARY KEY, v SMALLINT,
                  updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO big (id, v, updated) SELECT seq, seq, '2024-01-01' FROM seq_1_to_500;
ANALYZE TABLE big;
