-- What only MySQL has: VECTOR, JSON that it spells anew, a shape with the axes of its reference system, a spatial column
-- bound to one, a descending key, a functional index.
CREATE TABLE t (
  id INT, j JSON, v VECTOR(3), p POINT SRID 4326, name VARCHAR(20), PRIMARY KEY (id DESC), KEY f ((UPPER(name))));
INSERT INTO t VALUES
  (1, '{"b": 2.50, "a": 1e2}', STRING_TO_VECTOR('[1.5,-2,0.0003]'), ST_GeomFromText('POINT(1 2)', 4326), 'x'),
  (2, CAST(CAST('2015-01-15 23:24:25.12' AS DATETIME(3)) AS JSON), NULL, NULL, NULL);
