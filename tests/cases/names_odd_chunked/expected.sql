SELECT count(*), count(*) FILTER (WHERE "an ""x""" = 'new') AS new FROM "my ""odd"" `table`";
SELECT obj_description('raw."my ""odd"" `table`"'::regclass, 'pg_class') AS comment;
