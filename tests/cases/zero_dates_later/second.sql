SET sql_mode = '';
UPDATE small SET d = 0 WHERE id = 2;
UPDATE big SET d = 0 WHERE id MOD 500 = 0;
