SELECT current_setting('server_version'), current_user::text,
       (SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)
