-- To the source's collation these are the same keys; to PostgreSQL other rows.
UPDATE ci SET k = 'KEY' WHERE k = 'key';
UPDATE ci SET k = 'other' WHERE k = 'other';
UPDATE bin SET v = 9 WHERE k = 'A';
