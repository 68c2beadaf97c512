-- A refresh goes by the same names.
UPDATE `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` SET v = 4 WHERE xmin = 2;
INSERT INTO `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb` VALUES (3, 5);
