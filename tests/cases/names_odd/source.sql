-- Names that need quoting on one side or the other, that differ only by case, or are words of SQL.
CREATE TABLE `select` (`from` INT PRIMARY KEY, `where` TEXT, `order` INT, `user` INT);
CREATE TABLE `two words` (`a b` INT PRIMARY KEY, `c"d` INT, `e``f` INT, `g'h` INT, `i\\j` INT, `%s` INT, `$1` INT, `?` INT);
CREATE TABLE `special"[``]$'` (id INT PRIMARY KEY);
CREATE TABLE `Patient` (ID INT PRIMARY KEY, `Name` TEXT);
CREATE TABLE `patient` (id INT PRIMARY KEY, `Name` TEXT);
CREATE TABLE `naïve ☃ 表` (`schlüssel` INT PRIMARY KEY, `ключ` INT);
CREATE TABLE `1e3` (`2` INT PRIMARY KEY, `3.5` INT);
CREATE TABLE `dot.ted` (`a.b` INT PRIMARY KEY);
INSERT INTO `select` VALUES (1, 'x', 2, 3);
INSERT INTO `two words` VALUES (1, 2, 3, 4, 5, 6, 7, 8);
INSERT INTO `special"[``]$'` VALUES (1);
INSERT INTO `Patient` VALUES (1, 'upper');
INSERT INTO `patient` VALUES (2, 'lower');
INSERT INTO `naïve ☃ 表` VALUES (1, 2);
INSERT INTO `1e3` VALUES (1, 2);
INSERT INTO `dot.ted` VALUES (1);
