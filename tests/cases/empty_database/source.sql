-- No table at all is no failure.
SELECT 1;
