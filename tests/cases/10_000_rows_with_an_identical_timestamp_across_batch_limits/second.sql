SET @now = NOW();
UPDATE t SET v = 2, updated = @now WHERE id <= 10000;
INSERT INTO t (v, updated) SELECT 3, @now FROM seq_1_to_1000;
UPDATE isam SET v = 2, updated = @now WHERE id <= 10000;
INSERT INTO isam (v, updated) SELECT 3, @now FROM seq_1_to_1000;
