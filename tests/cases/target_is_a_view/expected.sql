SELECT * FROM taken;
SELECT * FROM good;
