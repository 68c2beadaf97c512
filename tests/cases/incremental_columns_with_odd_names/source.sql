-- Incremental columns whose names are words of SQL, hold quotes and blanks, differ by case only on the target, or would be a
-- statement if they were not quoted.
CREATE TABLE `Order` (`select` INT PRIMARY KEY, `DateTStamp` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, v INT);
INSERT INTO `Order` SELECT seq, '2024-01-01', 1 FROM seq_1_to_50;
CREATE TABLE quoted (id INT PRIMARY KEY, `it's; DROP TABLE quoted -- "` DATETIME NOT NULL, `a``b` TIMESTAMP NULL, v INT);
INSERT INTO quoted SELECT seq, '2024-01-01', '2024-01-01', 1 FROM seq_1_to_50;
CREATE TABLE `key` (`primary` INT PRIMARY KEY AUTO_INCREMENT, v INT) ENGINE=MyISAM;
INSERT INTO `key` SELECT seq, 1 FROM seq_1_to_50;
