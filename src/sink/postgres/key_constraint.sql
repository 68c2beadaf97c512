-- The constraint of the key, unless the name that it should have is taken.
SELECT conname FROM pg_constraint
WHERE conrelid = {target}::regclass AND contype IN ('p', 'u') AND starts_with(conname, {shadow})
  AND NOT EXISTS (
      SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = {schema} AND c.relname = {wanted})
