-- Keys that have no exact parameter, DECIMAL and DOUBLE: one stream, and a refresh still finds its rows.
CREATE TABLE d (id DECIMAL(30,10) PRIMARY KEY, v INT);
INSERT INTO d VALUES (12345678901234567890.0123456789, 1), (-0.0000000001, 2), (0, 3);
CREATE TABLE f (id DOUBLE PRIMARY KEY, v INT);
INSERT INTO f VALUES (0.1, 1), (0.30000000000000004, 2), (-1e300, 3), (5e-324, 4);
