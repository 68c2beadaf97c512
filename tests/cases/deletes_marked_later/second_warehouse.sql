INSERT INTO raw.back (id, v, _deleted_at) VALUES (3, 3, '2020-01-01');
