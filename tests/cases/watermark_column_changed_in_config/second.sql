UPDATE t SET v = 2 WHERE id = 7;
UPDATE from_key SET v = 2 WHERE id = 7;
UPDATE to_key SET v = 2 WHERE id = 7;
