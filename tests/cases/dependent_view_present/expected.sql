SELECT t, widened FROM sums; SELECT count FROM kept; SELECT count(*), sum(extra) FROM widened; SELECT relkind, relacl::text LIKE '%=r/%' AS granted FROM pg_class WHERE relname = 'sums';
