SELECT id, fee FROM t WHERE fee <> 150; SELECT id, fee FROM isam WHERE fee <> 150 ORDER BY id; SELECT id, fee FROM whole WHERE fee <> 150;
