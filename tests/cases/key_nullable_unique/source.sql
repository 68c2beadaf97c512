-- Only a unique index that allows NULL: no key, because two rows may hold NULL. Duplicates of NULL all arrive.
CREATE TABLE t (a INT, v VARCHAR(10), UNIQUE KEY u (a));
INSERT INTO t VALUES (1, 'x'), (2, 'x'), (NULL, 'y'), (NULL, 'y'), (NULL, 'z');
