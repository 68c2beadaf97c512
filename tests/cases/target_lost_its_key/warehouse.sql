SET ROLE etl_sync;
CREATE SCHEMA raw;
CREATE TABLE raw.t (id integer NOT NULL, v varchar(10) NOT NULL);
INSERT INTO raw.t VALUES (1, 'a'), (2, 'b'), (2, 'b');
