-- Connections: what the server leaves to ordinary roles, who is connected, and the limits of our role and database.
SELECT current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
       - coalesce(current_setting('reserved_connections', true)::bigint, 0),
       (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database) - 1,
       (SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = current_user),
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()),
       (SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database()),
       (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database WHERE datname = current_database()) - 1
