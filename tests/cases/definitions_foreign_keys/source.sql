-- Foreign keys are built after the data of all tables; in a refresh they stand aside, because a child may arrive before its
-- parent. Those that PostgreSQL cannot have are listed. ON UPDATE is written out: MariaDB calls a rule that is left out
-- RESTRICT, MySQL calls it NO ACTION.
CREATE TABLE parent (id INT PRIMARY KEY, code VARCHAR(10) UNIQUE);
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
CREATE TABLE child (id INT PRIMARY KEY, pid INT, self INT, code VARCHAR(10),
  CONSTRAINT child_parent FOREIGN KEY (pid) REFERENCES parent (id) ON UPDATE RESTRICT ON DELETE CASCADE,
  CONSTRAINT child_self FOREIGN KEY (self) REFERENCES child (id) ON UPDATE RESTRICT ON DELETE SET NULL,
  CONSTRAINT child_code FOREIGN KEY (code) REFERENCES parent (code));
INSERT INTO child VALUES (1, 1, NULL, 'a'), (2, 2, 1, NULL), (3, NULL, 2, 'b');
