-- ENUM and SET keys sort by number and compare by text: they are not cut, the table arrives in one stream.
CREATE TABLE e (kind ENUM('zebra', 'ant', 'Mole') PRIMARY KEY, v INT);
INSERT INTO e VALUES ('zebra', 1), ('ant', 2), ('Mole', 3);
CREATE TABLE s (flags SET('z', 'a', 'm') NOT NULL, n INT NOT NULL, PRIMARY KEY (flags, n));
INSERT INTO s SELECT seq MOD 8, seq FROM seq_1_to_40;
ANALYZE TABLE e, s;
