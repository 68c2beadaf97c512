-- Types, NOT NULL, the composite primary key and all comments stand in the warehouse's catalog.
CREATE TABLE t (
  clinic SMALLINT UNSIGNED NOT NULL COMMENT 'which one', id INT NOT NULL, name VARCHAR(80) NOT NULL COMMENT 'it''s a "name"\nof two lines',
  born DATE, weight DECIMAL(6,3), active TINYINT(1) NOT NULL DEFAULT 1, at TIMESTAMP(3) NULL, took TIME(2), note TEXT NOT NULL,
  PRIMARY KEY (id, clinic)) COMMENT 'patients, all of them';
INSERT INTO t VALUES (65535, 1, 'x', NULL, 1.5, 2, NULL, NULL, '');
