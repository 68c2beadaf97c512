-- Zero dates that come after the first load: the existing target gives up NOT NULL, in one chunk and in several.
SET sql_mode = '';
CREATE TABLE small (id INT PRIMARY KEY, d DATE NOT NULL);
INSERT INTO small VALUES (1, '2024-01-01'), (2, '2024-01-02');
CREATE TABLE big (id INT PRIMARY KEY, d DATETIME NOT NULL);
INSERT INTO big SELECT seq, '2024-01-01' FROM seq_1_to_1000;
ANALYZE TABLE big;
