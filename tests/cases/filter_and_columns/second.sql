UPDATE visits SET kind = 'b' WHERE id = 1;
UPDATE visits SET secret = 'changed';
INSERT INTO visits VALUES (200, 'z', 'late', 's');
DELETE FROM nokey WHERE id = 1;
