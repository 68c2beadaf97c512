#!/usr/bin/env python3
"""What proof costs, in one sitting: digests during a load, a scan of either side, a night that proves every row of both, and
the repair of one row, as shares of a full load. See scripts/bench.sh --only proof."""

import argparse
import signal
import sys
import tempfile

import measure
from program import SCHEMA, Program
from servers import Mariadb, Postgres

TARGET = "etl_sync_bench_proof"
MEMORY_MB = 64

# What has to be reached, as shares of the csv full load of the same repetition: the limits of the project's plan for proofs. Those of
# scans and digests are for one large table; of a database of many small ones, what a proven night costs counts.
LIMITS = {
    "load with digests / without": 1.05,
    "source scan / csv load": 0.30,
    "warehouse check / csv load": 0.32,
    "everything proved, nothing changed / csv load": 0.70,
    "repair of one row / csv load": 0.02,
}
LIMITS_OF_DATABASE = {"everything proved, nothing changed / csv load"}


class Sitting:
    def __init__(self, options, folder):
        self.options, self.peak_kb = options, 0
        self.source, self.warehouse, self.admin = Mariadb("ETL_SYNC_ADMIN_SOURCE_URL"), Postgres("ETL_SYNC_WAREHOUSE_URL"), Postgres("ETL_SYNC_ADMIN_WAREHOUSE_URL")
        self.program = Program(options, folder, Mariadb("ETL_SYNC_SOURCE_URL"), self.warehouse, TARGET)

    def run(self, name, *arguments, copy_format="csv"):
        cost, report = self.program.run(name, *arguments, ETL_SYNC_COPY_FORMAT=copy_format)
        self.peak_kb = max(self.peak_kb, cost.peak_kb)
        print(f"  {name:<44}{cost.wall:8.2f} s {cost.cpu:8.2f} s CPU {cost.peak_kb / 1024:8.1f} MB", flush=True)
        return cost.wall, report

    def fresh(self):
        self.admin.fresh(TARGET, self.warehouse.user)

    def load(self, copy_format, *arguments):
        self.fresh()
        words = " ".join([copy_format, "load", *arguments])
        wall, report = self.run(words, "run", *arguments, copy_format=copy_format)
        rows = sum(table["rows"] for table in report["tables"])
        expected = self.source.count(self.options.database, self.source.tables(self.options.database))
        if rows != expected:
            sys.exit(f"{words}: {rows} rows of {expected}")
        return wall

    def scan(self, side):
        # It ends with an error when the side is not what the load left.
        return self.run(f"scan of the {side}", "verify", "--depth", "ledger", "--side", side)[0]


def turn(sitting, values):
    """One repetition; ratios are taken within it, because the machine's speed changes."""
    def add(name, value):
        values.setdefault(name, []).append(value)

    csv = sitting.load("csv")
    plain = sitting.load("binary", "--audit", "off")
    add("load with digests / without", sitting.load("binary") / plain)
    add("source scan / csv load", sitting.scan("source") / csv)
    add("warehouse check / csv load", sitting.scan("warehouse") / csv)
    wall, report = sitting.run("everything proved, nothing changed", "run", "--audit", "all")
    if report["totals"]["updated"] + report["totals"]["inserted"] + report["totals"]["deleted"]:
        sys.exit(f"something was written although nothing had changed: {report['totals']}")
    add("everything proved, nothing changed / csv load", wall / csv)
    table = sitting.options.one
    if table:
        sitting.warehouse.ask(TARGET, f'UPDATE {SCHEMA}."{table}" SET {sitting.options.set} WHERE {sitting.options.where};')
        _, report = sitting.run("one row repaired", "repair", "--tables", table)
        found = report["tables"][0]
        if found["updated"] != 1 or not found["healed"]:
            sys.exit(f"one row was to be repaired: {found}")
        add("repair of one row / csv load", found["healed"]["seconds"] / csv)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="source database")
    parser.add_argument("--etl-sync", required=True, help="the program")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", help="table of which one row is changed by hand")
    parser.add_argument("--set", help="the change")
    parser.add_argument("--where", help="the row")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="etl-sync-proof-") as folder:
        sitting, values = Sitting(options, folder), {}
        tables = sitting.source.tables(options.database)
        rows = sitting.source.count(options.database, tables)
        print(f"\n== proof: {options.database}, {len(tables)} tables, {rows} rows")
        sitting.source.warm(options.database, tables)
        for number in range(options.repeat):
            print(f"\nRepetition {number + 1} of {options.repeat}:")
            turn(sitting, values)
        sitting.admin.drop(TARGET)
    print(f"\n{'median (lowest-highest)':<48}{'ratio':>22}{'limit':>8}")
    failed = False
    for name, limit in LIMITS.items():
        found = values.get(name)
        if not found:
            continue
        middle = measure.median(found)
        counts = options.one is not None or name in LIMITS_OF_DATABASE
        failed |= counts and middle > limit
        print(f"{name:<48}{f'{middle:.3f} ({min(found):.3f}-{max(found):.3f})':>22}{limit if counts else '':>8}")
    peak = sitting.peak_kb / 1024
    failed |= peak > MEMORY_MB
    print(f"{'peak MB':<48}{peak:>22.1f}{MEMORY_MB:>8}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
