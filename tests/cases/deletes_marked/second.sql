UPDATE whole SET v = 20 WHERE id = 2;
DELETE FROM whole WHERE id = 3;
INSERT INTO whole VALUES (5, 5), (7, 7);
DELETE FROM inc WHERE id BETWEEN 11 AND 15;
INSERT INTO inc (id, v) VALUES (900, 5);
DELETE FROM chunked WHERE id % 250 = 0;
UPDATE chunked SET v = -v WHERE id = 1;
-- Two rows change places in a unique column while a third goes: changed rows are replaced, the one that went stays.
UPDATE swapped SET code = -1 WHERE id = 1;
UPDATE swapped SET code = 10 WHERE id = 2;
UPDATE swapped SET code = 20 WHERE id = 1;
DELETE FROM swapped WHERE id = 3;
DELETE FROM applied WHERE id = 2;
