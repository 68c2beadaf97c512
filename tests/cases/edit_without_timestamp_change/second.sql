UPDATE t SET fee = 160, updated = updated WHERE id = 7;
UPDATE isam SET fee = 160, updated = updated WHERE id IN (7, 77);
UPDATE whole SET fee = 160, updated = updated WHERE id = 7;
