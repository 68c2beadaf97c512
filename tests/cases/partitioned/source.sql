-- Partitioned tables are one table in the warehouse, read through the parent, cut or not.
CREATE TABLE by_range (id INT, year INT, v VARCHAR(20), PRIMARY KEY (id, year))
  PARTITION BY RANGE (year) (PARTITION old VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN (2020), PARTITION rest VALUES LESS THAN MAXVALUE);
INSERT INTO by_range SELECT seq, 1990 + seq MOD 50, seq FROM seq_1_to_1000;
CREATE TABLE by_hash (id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 5;
INSERT INTO by_hash SELECT seq, -seq FROM seq_1_to_1000;
ANALYZE TABLE by_range, by_hash;
