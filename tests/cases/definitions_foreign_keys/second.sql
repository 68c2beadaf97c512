-- Parent and child change together: the old parent goes, the children go to a new one.
INSERT INTO parent VALUES (3, 'c');
UPDATE child SET pid = 3, code = 'c' WHERE pid = 2 OR code = 'b';
DELETE FROM parent WHERE id = 2;
INSERT INTO child VALUES (4, 3, 4, 'c');
