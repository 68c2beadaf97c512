-- Another text after every start, and after every loss of counters: by hand (the database's time) or in a crash (the
-- background writer's, which is set when counters are thrown away).
SELECT concat_ws('/', extract(epoch FROM pg_postmaster_start_time())::text,
                 coalesce(extract(epoch FROM d.stats_reset)::text, '-'), coalesce(extract(epoch FROM b.stats_reset)::text, '-'))
FROM pg_stat_database d, pg_stat_bgwriter b
WHERE d.datname = current_database() AND current_setting('track_counts')::boolean
  AND current_setting('server_version_num')::integer >= 150000
