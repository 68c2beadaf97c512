SET foreign_key_checks = 0;
DELETE FROM a WHERE id = 1;
UPDATE b SET id = 10 WHERE id = 1;
