SELECT * FROM sums;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'raw.t'::regclass ORDER BY 1::text;
SELECT grantee::regrole, privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'raw.t'::regclass AND grantee = 0;
