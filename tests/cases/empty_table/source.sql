-- A table without rows arrives with its columns, key and comment; a second one so that something can be compared.
CREATE TABLE nothing (id INT PRIMARY KEY, note VARCHAR(10) NOT NULL) COMMENT 'never filled';
CREATE TABLE filled (id INT PRIMARY KEY);
INSERT INTO filled VALUES (1);
