UPDATE t SET v = 'changed' WHERE id MOD 300 = 0;
DELETE FROM t WHERE id MOD 1000 = 0;
INSERT INTO t SELECT seq * 3 + 1, 'new' FROM seq_1_to_20;
