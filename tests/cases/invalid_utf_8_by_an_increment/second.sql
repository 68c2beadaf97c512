SET sql_mode = '';
UPDATE t SET v = 'mended' WHERE id = 3;
UPDATE clean SET v = X'EDA080' WHERE id = 2;
