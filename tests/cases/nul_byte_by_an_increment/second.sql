UPDATE t SET v = 'mended' WHERE id = 3;
UPDATE clean SET v = CONCAT('a', CHAR(0), 'b') WHERE id = 2;
