-- Names that PostgreSQL would cut to one, or has itself: they end in their hash, and the map is recorded.
CREATE TABLE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa` (id INT PRIMARY KEY, `éééééééééééééééééééééééééééééééééééééééé1` INT, `éééééééééééééééééééééééééééééééééééééééé2` INT, ctid INT, xmin2 INT);
INSERT INTO `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa` VALUES (1, 2, 3, 4, 6);
CREATE TABLE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` (xmin INT PRIMARY KEY, v INT NOT NULL COMMENT 'kept');
INSERT INTO `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` VALUES (1, 2), (2, 3);
CREATE TABLE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` (`xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` INT PRIMARY KEY, `ééééééééééééééééééééééééééééééé` INT);
INSERT INTO `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` VALUES (1, 2);
