INSERT INTO t (id, name, made, changed) VALUES (99, 'later', '2024-01-01 00:00:00', '2024-01-01 00:00:00');
