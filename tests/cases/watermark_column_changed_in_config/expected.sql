SELECT v, count(*) FROM t GROUP BY v ORDER BY v; SELECT v, count(*) FROM from_key GROUP BY v ORDER BY v; SELECT v, count(*) FROM to_key GROUP BY v ORDER BY v; SELECT count FROM kept;
