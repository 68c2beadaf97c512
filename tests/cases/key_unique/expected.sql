SELECT count(*), count(v) FROM t;
SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.t'::regclass AND contype <> 'n';
