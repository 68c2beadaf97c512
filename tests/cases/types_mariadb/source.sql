-- Types that only MariaDB has, UUID and INET; JSON that it keeps as written; a shape with the axes of its text.
CREATE TABLE t (id INT PRIMARY KEY, u UUID, i4 INET4, i6 INET6, j JSON, p POINT);
INSERT INTO t VALUES
  (1, '123e4567-e89b-12d3-a456-426655440000', '192.168.0.1', '2001:db8::1', '{"b": 2.50, "a": 1e2}', ST_GeomFromText('POINT(1 2)', 4326)),
  (2, NULL, NULL, '::ffff:1.2.3.4', NULL, NULL);
