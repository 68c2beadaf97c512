-- Columns of other character sets arrive as the characters they mean.
CREATE TABLE t (
  id INT PRIMARY KEY,
  l1 VARCHAR(20) CHARACTER SET latin1, l2 VARCHAR(20) CHARACTER SET latin2, u3 VARCHAR(20) CHARACTER SET utf8mb3,
  ru VARCHAR(20) CHARACTER SET koi8r, ja VARCHAR(20) CHARACTER SET sjis, u16 VARCHAR(20) CHARACTER SET utf16,
  asc_ VARCHAR(20) CHARACTER SET ascii, gb VARCHAR(20) CHARACTER SET gb2312);
INSERT INTO t VALUES (1, 'é€“smart”', 'čžš', 'ńéẞ', 'Привет', '日本', '😀x', 'plain', '中国'), (2, '', NULL, '', NULL, '', NULL, '', NULL);
