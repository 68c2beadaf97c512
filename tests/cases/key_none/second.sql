DELETE FROM t WHERE a = 1 LIMIT 1;
INSERT INTO t VALUES (2, NULL), (3, 'new');
UPDATE t SET b = 'was empty' WHERE b = '';
