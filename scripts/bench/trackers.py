#!/usr/bin/env python3
"""What telling of a run costs: full loads with all trackers on (status tables, run log, method usage) and off, in turns, in one
sitting. See scripts/bench.sh --only trackers."""

import argparse
import signal
import sys
import tempfile

import measure
from program import SCHEMA, Program
from servers import Mariadb, Postgres

TARGET = "etl_sync_bench_trackers"
LIMIT = 1.02  # of the wide table: the limit of the project's plan


class Sitting:
    def __init__(self, options, folder):
        self.source, self.warehouse, self.admin = Mariadb("ETL_SYNC_ADMIN_SOURCE_URL"), Postgres("ETL_SYNC_WAREHOUSE_URL"), Postgres("ETL_SYNC_ADMIN_WAREHOUSE_URL")
        self.program = Program(options, folder, Mariadb("ETL_SYNC_SOURCE_URL"), self.warehouse, TARGET)

    def load(self, on):
        self.admin.fresh(TARGET, self.warehouse.user)
        off = {} if on else {"ETL_META": "off", "ETL_SYNC_METHOD_USAGE": "off"}
        if not on:
            # Views take the names of the status tables, so the writer gives up at once.
            names = ("etl_load_status", "etl_transform_status")
            self.warehouse.ask(TARGET, f"CREATE SCHEMA {SCHEMA}; " + " ".join(f"CREATE VIEW {SCHEMA}.{name} AS SELECT 1 AS taken;" for name in names))
        cost, report = self.program.run("a load", "run", **off)
        totals = report["totals"]
        if (totals["events_written"] > 0) != on:
            sys.exit(f"trackers were to be {'on' if on else 'off'}: {totals}")
        print(f"  trackers {'on ' if on else 'off'}{cost.wall:8.2f} s {cost.cpu:8.2f} s CPU {cost.peak_kb / 1024:8.1f} MB   "
              f"{totals['events_written']} events written, {totals['events_lost']} lost", flush=True)
        return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="source database")
    parser.add_argument("--etl-sync", required=True, help="the program")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3, help="pairs of runs")
    parser.add_argument("--no-limit", action="store_true", help="print the ratio, judge nothing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="etl-sync-trackers-") as folder:
        sitting, walls, cpus = Sitting(options, folder), [], []
        tables = sitting.source.tables(options.database)
        print(f"\n== trackers: {options.database}, {len(tables)} tables, {sitting.source.count(options.database, tables)} rows")
        sitting.source.warm(options.database, tables)
        sitting.load(on=True)  # the servers' files grow once
        for number in range(options.repeat):
            # Who comes first changes, because the machine's speed does.
            first = sitting.load(on=number % 2 == 0)
            second = sitting.load(on=number % 2 == 1)
            on, off = (first, second) if number % 2 == 0 else (second, first)
            walls.append(on.wall / off.wall)
            cpus.append(on.cpu / off.cpu)
        sitting.admin.drop(TARGET)
    median = measure.median(walls)
    print(f"\ntrackers on / off, median of {len(walls)} pairs: {median:.3f} ({min(walls):.3f}-{max(walls):.3f}); "
          f"CPU of the program {measure.median(cpus):.3f}" + ("" if options.no_limit else f"; limit {LIMIT}"))
    sys.exit(1 if median > LIMIT and not options.no_limit else 0)


if __name__ == "__main__":
    main()
