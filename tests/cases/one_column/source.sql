-- One column alone: an empty line, the end mark of COPY, NULL and the empty text must stay apart.
CREATE TABLE t (v TEXT);
INSERT INTO t VALUES ('\\.'), (''), (NULL), ('\\N'), ('NULL'), ('"'), ('""'), (','), ('\n'), ('\\.\n'), (' '), ('\r\n'), ('\\\\.');
CREATE TABLE k (v VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY);
INSERT INTO k VALUES ('\\.'), (''), ('\\N'), ('NULL');
