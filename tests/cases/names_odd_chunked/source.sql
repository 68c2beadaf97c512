-- Odd names in every statement of a table with several chunks, first load and refresh.
CREATE TABLE `my "odd" ``table``` (`the 'key' ?` INT NOT NULL, `an "x"` VARCHAR(30) NOT NULL, PRIMARY KEY (`the 'key' ?`) ) COMMENT 'it''s "odd" \\ 100%';
INSERT INTO `my "odd" ``table``` SELECT seq, seq FROM seq_1_to_1000;
ANALYZE TABLE `my "odd" ``table```;
