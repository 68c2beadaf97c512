UPDATE old SET v = 30 WHERE id = 3;
UPDATE not_owned SET v = 20 WHERE id = 2;
