-- Tables of every usual engine side by side; those without transactions are read statement by statement.
CREATE TABLE innodb_t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB;
CREATE TABLE myisam_t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=MyISAM;
CREATE TABLE memory_t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=MEMORY;
CREATE TABLE csv_t (id INT NOT NULL, v VARCHAR(20) NOT NULL) ENGINE=CSV;
INSERT INTO innodb_t VALUES (1, 'innodb'), (2, NULL);
INSERT INTO myisam_t VALUES (1, 'myisam'), (2, NULL);
INSERT INTO memory_t VALUES (1, 'memory'), (2, NULL);
INSERT INTO csv_t VALUES (1, 'csv'), (2, '');
