-- A trigger on the target swallows updates: that must not pass for an unchanged table. The old row stands, others go on.
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10) NOT NULL);
INSERT INTO t VALUES (1, 'new');
CREATE TABLE other (id INT PRIMARY KEY);
INSERT INTO other VALUES (1);
