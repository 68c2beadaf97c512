-- Generated columns arrive as plain values; invisible columns are not forgotten.
CREATE TABLE t (
  id INT PRIMARY KEY, price DECIMAL(8,2) NOT NULL, n INT NOT NULL,
  total DECIMAL(10,2) AS (price * n) VIRTUAL, stored_total DECIMAL(10,2) AS (price * n) STORED,
  hidden VARCHAR(10) INVISIBLE DEFAULT 'seen');
INSERT INTO t (id, price, n) VALUES (1, 2.50, 3), (2, 0.10, 7);
INSERT INTO t (id, price, n, hidden) VALUES (3, 1, 1, 'other');
