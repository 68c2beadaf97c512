#!/usr/bin/env python3
"""Nights of the sample clinic in one sitting: a full load, a night with 1 % changed, nights with nothing changed by counts and
by evidence, and what the status tables cost. Statements are counted at both servers. See scripts/bench.sh --only nights."""

import argparse
import os
import signal
import sys
import tempfile
import time

import measure
from program import SCHEMA, Program
from servers import Mariadb, Postgres

TARGET = "etl_sync_bench_nights_dw"
LARGE = 1000  # rows from which a table without a time column is loaded by its AUTO_INCREMENT key
TURNS = 3  # of tracking on and off, per repetition
SETTLED = 7  # seconds until a file's time is evidence
STATEMENTS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = "

# What has to be reached, as shares of the full load: the limits of the project's plan for nights.
LIMITS = {"1 % changed, counts": 0.30, "nothing changed, counts": 0.20, "nothing changed, evidence": 0.08}


class Night:
    """What one kind of run cost, repetition by repetition."""

    def __init__(self, name):
        self.name, self.walls, self.source, self.warehouse, self.report = name, [], [], [], None

    def wall(self):
        return measure.median(self.walls)


class Clinic:
    """The source database, its incremental columns and its changes; everything is derived from its own catalog."""

    def __init__(self, source, database):
        self.source, self.database = source, database
        columns = "table_name, column_name, extra, data_type"
        rows = source.ask(f"SELECT {columns} FROM information_schema.columns WHERE table_schema = '{database}' ORDER BY table_name, ordinal_position")
        self.columns, self.key, self.stamp = {}, {}, {}
        for table, column, extra, kind in rows:
            self.columns.setdefault(table, []).append(column)
            if "auto_increment" in extra:
                self.key[table] = column
            if "on update" in extra.lower() and kind in ("timestamp", "datetime"):
                self.stamp[table] = column
        self.rows = {table: source.count(database, [table]) for table in self.columns}

    def appended(self):
        """Tables that only grow, as logs do: no time column, a counter, and many rows."""
        return [t for t in self.key if t not in self.stamp and self.rows[t] >= LARGE]

    def tables_yml(self):
        lines = [f"  {table}: {{ primary_incremental_column: {column} }}" for table, column in self.stamp.items()]
        lines += [f"  {table}: {{ primary_incremental_column: {self.key[table]} }}" for table in self.appended()]
        return "tables:\n" + "\n".join(lines) + "\n"

    def change(self, percent_of):
        """Touches every hundredth row of the tables with a time column, lets the logs grow by a hundredth; returns the rows."""
        statements = []
        for table, stamp in self.stamp.items():
            if table in self.key:
                statements.append(f"UPDATE `{table}` SET `{stamp}` = NOW() WHERE `{self.key[table]}` % 100 = {percent_of}")
        for table in self.appended():
            columns = ", ".join(f"`{c}`" for c in self.columns[table] if c != self.key[table])
            statements.append(f"INSERT INTO `{table}` ({columns}) SELECT {columns} FROM `{table}` WHERE `{self.key[table]}` % 100 = {percent_of}")
        counted = "; ".join(f"{one}; SELECT ROW_COUNT()" for one in statements)
        return sum(int(row[0]) for row in self.source.ask(f"USE `{self.database}`; {counted}"))


class Sitting:
    def __init__(self, options, folder):
        self.folder = folder
        self.source, self.warehouse, self.admin = Mariadb("ETL_SYNC_ADMIN_SOURCE_URL"), Postgres("ETL_SYNC_WAREHOUSE_URL"), Postgres("ETL_SYNC_ADMIN_WAREHOUSE_URL")
        self.program = Program(options, folder, Mariadb("ETL_SYNC_SOURCE_URL"), self.warehouse, TARGET)
        self.admin.ask("postgres", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;")
        self.nights = {}
        self.meta = "on"

    def asked(self):
        """Statements of clients so far at the source, this one included."""
        return int(self.source.ask("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])

    def run(self, name, *arguments):
        night = self.nights.setdefault(name, Night(name))
        # Its table of statements is bounded, and every table's are others.
        self.admin.ask("postgres", "SELECT pg_stat_statements_reset();")
        before = self.asked()
        cost, report = self.program.run(name, "run", *arguments, ETL_SYNC_CONFIG_DIR=self.folder, ETL_META=self.meta)
        source, warehouse = self.asked() - before - 1, int(self.admin.ask("postgres", f"{STATEMENTS} '{TARGET}';")[0])
        night.walls.append(cost.wall)
        night.source.append(source)
        night.warehouse.append(warehouse)
        night.report = report
        totals = night.report["totals"]
        print(f"  {name:<28}{cost.wall:8.2f} s {cost.cpu:6.2f} s CPU   {totals['rows_read']:>9} rows read, "
              f"{totals['counted']} tables counted, {totals['unmoved']} skipped", flush=True)
        return night.report

    def track(self, on):
        """Off: no run log, and views take the names of the status tables, so the writer gives up at once and every event is lost."""
        self.meta = "on" if on else "off"
        for name in ("etl_load_status", "etl_transform_status"):
            self.warehouse.ask(TARGET, f"DROP VIEW {SCHEMA}.{name}; ALTER TABLE {SCHEMA}.{name}_aside RENAME TO {name};" if on else
                               f"ALTER TABLE {SCHEMA}.{name} RENAME TO {name}_aside; CREATE VIEW {SCHEMA}.{name} AS SELECT 1 AS taken;")

    def turn(self, clinic, number):
        self.admin.fresh(TARGET, self.warehouse.user)
        self.run("full load")
        changed = clinic.change(number % 100)
        self.run("1 % changed, counts")
        time.sleep(SETTLED)
        self.run("nothing changed, counts")
        time.sleep(1)  # the last run's counters are in when its sessions have ended
        report = self.run("nothing changed, evidence", "--verify", "evidence")
        if not report["totals"]["unmoved"]:
            sys.exit(f"nothing was skipped on evidence: {report['tables'][0]['reason']}")
        return changed

    def tracking(self):
        """On and off in turns, with nothing changed: there the status rows weigh most."""
        for _ in range(TURNS):
            self.track(on=False)
            if not self.run("counts, tracking off")["totals"]["events_lost"]:
                sys.exit("tracking was not off")
            self.track(on=True)
            self.run("counts, tracking on")


def table(nights, tables):
    full = nights["full load"].wall()
    print(f"\n{'':<28}{'wall s':>22}{'x full load':>12}{'limit':>8}{'source':>10}{'per table':>10}{'warehouse':>11}{'per table':>10}")
    failed = False
    for night in nights.values():
        ratio, limit = night.wall() / full, LIMITS.get(night.name)
        failed |= limit is not None and ratio > limit
        spread = f"{night.wall():.2f} ({min(night.walls):.2f}-{max(night.walls):.2f})"
        source, warehouse = measure.median(night.source), measure.median(night.warehouse)
        print(f"{night.name:<28}{spread:>22}{ratio:>12.3f}{limit if limit else '':>8}{source:>10.0f}{source / tables:>10.1f}"
              f"{warehouse:>11.0f}{warehouse / tables:>10.1f}")
    print("\nsource, warehouse: statements that the servers counted, and per table.")
    on, off = nights["counts, tracking on"], nights["counts, tracking off"]
    print(f"tracking on / off, medians of {len(on.walls)}: {on.wall() / off.wall():.3f} (limit 1.05)")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="source database, a sample clinic; its rows are changed")
    parser.add_argument("--etl-sync", required=True, help="the program")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="etl-sync-nights-") as folder:
        sitting = Sitting(options, folder)
        clinic = Clinic(sitting.source, options.database)
        with open(os.path.join(folder, "tables.yml"), "w", encoding="utf-8") as file:
            file.write(clinic.tables_yml())
        rows, incremental = sum(clinic.rows.values()), len(clinic.stamp) + len(clinic.appended())
        print(f"\n== nights: {len(clinic.rows)} tables, {rows} rows; {incremental} tables by increments, the others are read whole")
        sitting.source.warm(options.database, list(clinic.rows))
        for number in range(options.repeat):
            print(f"\nRepetition {number + 1} of {options.repeat}:")
            changed = sitting.turn(clinic, number + 1)
            print(f"  {changed} rows were changed ({100 * changed / rows:.2f} %)")
            sitting.tracking()
        failed = table(sitting.nights, len(clinic.rows))
        sitting.admin.drop(TARGET)
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
