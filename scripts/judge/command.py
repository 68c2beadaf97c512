"""The command line."""
import argparse
import os
import sys
import time

import psycopg
import pymysql

from judge.catalog import (Names, plan_table, quarantined_rows, recorded_names, source_catalog,
                           warehouse_catalog)
from judge.connect import connect_source, connect_warehouse
from judge.outcome import Outcome
from judge.policy import POLICIES
from judge.report import conclude, print_outcome, print_summary, write_json
from judge.selftest import self_test
from judge.text import JudgeError, error_text
from judge.workers import judge_all


def arguments(argv):
    """Command line with defaults from the environment."""
    env = os.environ.get
    parser = argparse.ArgumentParser(
        description="Compare a MySQL/MariaDB database with its PostgreSQL copy, row for row.",
        epilog="exit status: 0 equal, 1 different or nothing compared, 2 usage or connection")
    add = parser.add_argument
    add("--source", default=env("ETL_SYNC_SOURCE_URL"), metavar="URL",
        help="mysql://user:password@host:port/db[?socket=/path] (ETL_SYNC_SOURCE_URL)")
    add("--warehouse", default=env("ETL_SYNC_WAREHOUSE_URL"), metavar="URL",
        help="postgresql://user:password@host:port/db[?host=/dir] (ETL_SYNC_WAREHOUSE_URL)")
    add("--schema", default=env("ETL_SYNC_WAREHOUSE_SCHEMA") or "raw",
        help="warehouse schema (ETL_SYNC_WAREHOUSE_SCHEMA, default raw)")
    add("--tables", nargs="+", metavar="TABLE", help="only these source tables")
    add("--map", action="append", default=[], metavar="OLD=NEW",
        help="name in the warehouse of a table or of table.column; may be repeated")
    for kind, (choices, what) in POLICIES.items():
        add("--" + kind.replace("_", "-"), choices=choices, default=choices[0],
            help=f"what the sync was told to do with {what} (default {choices[0]})")
    add("--quarantine", action="store_true",
        help="etl_quarantine.rejected_row must hold one row per rejected row")
    add("--fast", action="store_true",
        help="digest rows in both servers, compare only differing key ranges row by row")
    add("--range-rows", type=int, default=50_000, metavar="N", help="rows per range with --fast")
    add("--self-test", action="store_true",
        help="plant 14 kinds of differences in a scratch database and schema and find them;"
             " needs accounts that may create both")
    add("--allow-empty", action="store_true", help="zero rows overall are not a failure")
    add("--allow-extra-columns", action="store_true", help="columns only in the warehouse are fine")
    add("--jobs", type=int, default=2, help="processes, one table each (default 2)")
    add("--tmp", metavar="DIR", help="folder for temporary files")
    add("--json", metavar="FILE", help="also write the result as JSON")
    add("--show-keys", action="store_true", help="print keys of some differing rows")
    add("--show-values", action="store_true", help="print their cells as well")
    args = parser.parse_args(argv)
    for name in ("source", "warehouse"):
        if not getattr(args, name):
            parser.error(f"--{name} or ETL_SYNC_{name.upper()}_URL is needed")
    return args


def make_plan(args, source, database, warehouse):
    """Jobs of all wanted tables, and what else lies on both sides."""
    tables, others = source_catalog(source, database)
    targets = warehouse_catalog(warehouse, args.schema)
    names = Names(args.map, recorded_names(warehouse, args.schema))
    unknown = sorted(set(args.tables or ()) - set(tables))
    if unknown:
        raise JudgeError("not a base table of the source: " + ", ".join(unknown))
    wanted = args.tables or tables
    jobs = [plan_table(name, tables[name], targets, names, args.allow_extra_columns)
            for name in sorted(set(wanted))]
    known = {names.table(name) for name in tables}
    notes = {"only_in_warehouse": sorted(set(targets) - known), "source_not_tables": others,
             "names": names.problems(targets, args.tables)}
    return jobs, notes


def check_quarantine(warehouse, args, outcomes):
    """The quarantine must hold exactly the rows that the judge counted as rejected."""
    held = quarantined_rows(warehouse, args.schema)
    for outcome in outcomes:
        rows = held.pop(outcome.name, 0)
        if rows != outcome.rejected_rows() and outcome.status != "error":
            outcome.status = "different"
            outcome.problems.append(f"quarantine holds {rows} rows, "
                                    f"but {outcome.rejected_rows()} must be rejected")
            print(f"different  {outcome.name}  {outcome.problems[-1]}")
    if held and not args.tables:
        text = "quarantine holds rows of unknown tables: " + ", ".join(sorted(held))
        print(text)
        outcomes.append(Outcome("etl_quarantine.rejected_row", "different", problems=[text]))


def run(args):
    """Everything between the arguments and the exit status."""
    start = time.monotonic()
    source, database = connect_source(args.source)
    warehouse = connect_warehouse(args.warehouse)  # stays open: it keeps the snapshot alive
    try:
        jobs, notes = make_plan(args, source, database, warehouse)
        source.close()
        try:
            snapshot = warehouse.execute("SELECT pg_export_snapshot()").fetchone()[0]
        except psycopg.Error:  # for instance on a standby
            snapshot = None
        options = {"source": args.source, "warehouse": args.warehouse, "database": database,
                   "schema": args.schema, "snapshot": snapshot, "tmp": args.tmp,
                   "policies": {kind: getattr(args, kind) for kind in POLICIES},
                   "fast": args.fast, "range_rows": args.range_rows}

        def tell(outcome):
            return print_outcome(outcome, args.show_keys, args.show_values)

        outcomes = [tell(Outcome("etl_sync.name_map", "different", problems=notes["names"]))
                    ] if notes["names"] else []
        outcomes += [tell(Outcome(job.name, "unchecked" if job.unchecked else "different",
                                 problems=job.problems)) for job in jobs if not job.columns]
        outcomes += judge_all([job for job in jobs if job.columns], options, args.jobs, tell)
        if args.quarantine:
            check_quarantine(warehouse, args, outcomes)
    finally:
        warehouse.close()
    status, word, total = conclude(outcomes, args.allow_empty)
    if notes["only_in_warehouse"]:
        print("only in the warehouse, not compared: " + ", ".join(notes["only_in_warehouse"]))
    if notes["source_not_tables"]:
        print("views and sequences, not compared: " + ", ".join(notes["source_not_tables"]))
    print_summary(word, total, outcomes, time.monotonic() - start)
    if args.json:
        write_json(args.json, status, word, total, outcomes, notes, args)
    return status


def main(argv=None):
    """Exit status 0, 1 or 2; see scripts/judge.py."""
    args = arguments(argv)
    try:
        return self_test(args, run) if args.self_test else run(args)
    except (JudgeError, pymysql.MySQLError, psycopg.Error, OSError) as error:
        print(f"judge: {error_text(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("judge: interrupted", file=sys.stderr)
        return 130
