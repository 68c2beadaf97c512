INSERT INTO etl_sync.etl_table_state
    (job, table_name, run_id, sync_id, strategy, snapshot, fingerprint, source_identity,
     finished_at, rows, rejected, target_oid, target_relfilenode, watermark_column, watermark, traces,
     proof, digest, rows_compared, ledger, loads)
SELECT {values}, clock_timestamp(), {rows}, {rejected}, c.oid::bigint, c.relfilenode::bigint, {watermark_column}, {watermark}, {traces},
       {proof}, {digest}, {rows_compared}, {ledger}, {loads}
FROM pg_class c WHERE c.oid = {target}::regclass
ON CONFLICT (job, table_name) DO UPDATE SET
    run_id = excluded.run_id, sync_id = excluded.sync_id, strategy = excluded.strategy, snapshot = excluded.snapshot,
    fingerprint = excluded.fingerprint, source_identity = excluded.source_identity, finished_at = excluded.finished_at,
    rows = excluded.rows, rejected = excluded.rejected, target_oid = excluded.target_oid, target_relfilenode = excluded.target_relfilenode,
    watermark_column = excluded.watermark_column, watermark = excluded.watermark, traces = excluded.traces,
    proof = excluded.proof, digest = excluded.digest, rows_compared = excluded.rows_compared,
    loads = etl_table_state.loads + excluded.loads, ledger = {kept}
