-- Numbers that do not rise with time. A key that is assigned elsewhere is no watermark: the table is read whole. Below a
-- counter's watermark a number may be given by hand: the counts find it.
CREATE TABLE patientnote (PatNum BIGINT PRIMARY KEY, v INT NOT NULL) ENGINE=MyISAM;
INSERT INTO patientnote SELECT seq * 100, 1 FROM seq_1_to_300;
CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL);
INSERT INTO t SELECT seq * 100, 1 FROM seq_1_to_300;
CREATE TABLE shuffled (id BIGINT PRIMARY KEY, v INT NOT NULL, updated TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO shuffled SELECT (seq * 7919) MOD 10007, 1, '2024-01-01 00:00:00' FROM seq_1_to_300;
ANALYZE TABLE patientnote, t, shuffled;
