-- One is mended, one more is broken.
UPDATE t SET v = 'mended' WHERE id = 333;
UPDATE t SET v = CONCAT(CHAR(0), 'x') WHERE id = 5;
