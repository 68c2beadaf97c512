-- A database without a table is refused before anything is written: mostly it is the wrong one, or a right is missing.
SELECT 1;
