"""Check the check: plant differences between two equal sides and see that all are found.

Three tables hold the same rows: one with an integer key (merge; fast: many key ranges), one with
a text key (key hash) and one without key (row hash). Every difference is planted in all three,
and has to be found in all three, by the exact and by the fast form. After each one the tables
are made equal again, and must be called equal.
"""
import contextlib
import copy
import io
import random
from urllib.parse import quote

from judge import connect
from judge.catalog import quote_source
from judge.text import JudgeError

TABLES = {"by_number": "n", "by_text": "code", "without_key": None}
COLUMNS = [("n", "INT", "integer"), ("code", "VARCHAR(20)", "varchar(20)"),
           ("word", "VARCHAR(20)", "varchar(20)"), ("empty", "TEXT", "text"),
           ("nothing", "TEXT", "text"), ("happened", "DATETIME(6)", "timestamp(6)"),
           ("seen", "TIMESTAMP(6) NULL", "timestamptz(6)"),
           ("amount", "DECIMAL(8,1)", "numeric"), ("measure", "DOUBLE", "double precision"),
           ("zero", "DOUBLE", "double precision"), ("scan", "LONGBLOB", "bytea"),
           ("a", "VARCHAR(20)", "varchar(20)"), ("b", "VARCHAR(20)", "varchar(20)")]
ROWS, STEP, RANGE_ROWS = 300, 3, 40


def row_with(number):
    """SQL: one more row, like row 150 but with another key."""
    others = ", ".join(name for name, *_ in COLUMNS[2:])
    return (f"INSERT INTO {{t}} SELECT {number}, 'k{number}', {others} FROM {{t}} WHERE n = 150")


# (kind, the ways to plant it; every way must be found). {t} is the table, row 150 lies inside.
PLANTED = [
    ("row missing", ["DELETE FROM {t} WHERE n = 150"]),
    ("row extra", [row_with(151)]),
    ("row twice", ["INSERT INTO {t} SELECT * FROM {t} WHERE n = 150"]),
    ("NULL <-> ''", ["UPDATE {t} SET empty = NULL WHERE n = 150",
                     "UPDATE {t} SET nothing = '' WHERE n = 150"]),
    ("trailing blank", ["UPDATE {t} SET word = word || ' ' WHERE n = 150",
                        "UPDATE {t} SET word = rtrim(word) WHERE n = 150"]),
    ("case", ["UPDATE {t} SET word = upper(word) WHERE n = 150"]),
    ("1 microsecond", [
        "UPDATE {t} SET happened = happened + interval '1 microsecond' WHERE n = 150",
        "UPDATE {t} SET seen = seen - interval '1 microsecond' WHERE n = 150"]),
    ("one hour", ["UPDATE {t} SET happened = happened - interval '1 hour' WHERE n = 150",
                  "UPDATE {t} SET seen = seen + interval '1 hour' WHERE n = 150"]),
    ("scale 1.0 / 1.00, sign of zero", ["UPDATE {t} SET amount = 1.00 WHERE n = 150",
                                        "UPDATE {t} SET zero = '-0' WHERE n = 150"]),
    ("last bit of a double", ["UPDATE {t} SET measure = 0.3 WHERE n = 150"]),
    ("one byte of a blob", ["UPDATE {t} SET scan = set_byte(scan, 20, 7) WHERE n = 150"]),
    ("two rows swapped", ["UPDATE {t} SET a = CASE n WHEN 150 THEN 'a153' ELSE 'a150' END"
                          " WHERE n IN (150, 153)"]),
    ("two columns shifted", ["UPDATE {t} SET a = 'a15', b = '0b150' WHERE n = 150",
                             "UPDATE {t} SET a = b, b = a WHERE n = 150"]),
    ("extra row outside the first and last range", [row_with(-7), row_with(1_000_000)]),
]


class Scratch:
    """An own database and an own schema on given servers, filled alike."""

    def __init__(self, args):
        self.name = f"judge_self_test_{random.randrange(16 ** 8):08x}"
        self.source, at = connect.open_source(args.source)
        self.warehouse = connect.open_warehouse(args.warehouse)
        query = "&".join(f"{name}={quote(value, '')}" for name, value in at["query"].items())
        self.source_url = (
            f"mysql://{quote(at['user'], '')}:{quote(at['password'], '')}@{at['host']}"
            + (f":{at['port']}" if at["port"] else "") + f"/{self.name}"
            + (f"?{query}" if query else ""))

    def fill(self):
        """Both sides, value by value the same."""
        mine, theirs = self.source.cursor(), self.warehouse
        mine.execute("SET SESSION sql_mode = '', time_zone = '+00:00'")
        mine.execute(f"CREATE DATABASE {quote_source(self.name)} CHARACTER SET utf8mb4")
        mine.execute(f"USE {quote_source(self.name)}")
        theirs.execute(f"CREATE SCHEMA {self.name}")
        theirs.execute(f"SET search_path = {self.name}; SET timezone = 'UTC'")
        for table, key in TABLES.items():
            mine.execute("CREATE TABLE %s (%s%s)" % (
                table, ", ".join(f"{name} {kind}" for name, kind, _ in COLUMNS),
                f", PRIMARY KEY ({key})" if key else ""))
            theirs.execute("CREATE TABLE %s (%s)" % (
                table, ", ".join(f"{name} {pg}" for name, _, pg in COLUMNS)))
            blob = "000102030405060708090A0B0C0D0E0FFEFFFDFC2C220A0D5C4E"
            rows = [f"({n}, 'k{n}', 'ab  ', '', NULL, '2024-02-29 10:00:00.500000', "
                    f"'2026-06-10 07:40:12.654321', 1.0, 0.30000000000000004, 0, %s, "
                    f"'a{n}', 'b{n}')" for n in range(0, ROWS * STEP, STEP)]
            values = ", ".join(rows)
            mine.execute(f"INSERT INTO {table} VALUES " + values.replace("%s", f"X'{blob}'"))
            theirs.execute(f"INSERT INTO {table} VALUES " + values.replace("%s", f"'\\x{blob}'"))
            theirs.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")

    def plant(self, change):
        """Change all three tables of the warehouse."""
        for table in TABLES:
            if self.warehouse.execute(change.format(t=table)).rowcount < 1:
                raise JudgeError(f"self-test: planted nothing: {change}")

    def undo(self):
        """Make the warehouse equal to the source again."""
        for table in TABLES:
            self.warehouse.execute(f"BEGIN; TRUNCATE {table}; INSERT INTO {table}"
                                   f" TABLE kept_{table}; COMMIT")

    def drop(self):
        """Leave nothing behind."""
        self.source.cursor().execute(f"DROP DATABASE IF EXISTS {quote_source(self.name)}")
        self.warehouse.execute(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")
        self.source.close()
        self.warehouse.close()


def judged(args, run):
    """The tables that the judge calls different; its output is not shown."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = run(args)
    if status not in (0, 1):
        raise JudgeError("self-test: the judge failed: " + out.getvalue())
    text = out.getvalue()
    if args.fast and "fast form 3 tables, exact form 0" not in text:
        raise JudgeError("self-test: the fast form was not used: " + text)
    return {line.split()[1] for line in text.splitlines() if line.startswith("different ")}


def check_form(form, scratch, args, run):
    """All kinds with one form: (kinds found, false alarms)."""
    alarms, found = bool(judged(args, run)), 0
    for kind, changes in PLANTED:
        missed = set()
        for change in changes:
            scratch.plant(change)
            missed |= set(TABLES) - judged(args, run)
            scratch.undo()
            alarms += bool(judged(args, run))
        found += not missed
        print(f"{form}  {'NOT FOUND in ' + ', '.join(sorted(missed)) if missed else 'found'}"
              f"  {kind}", flush=True)
    return found, alarms


def self_test(args, run):
    """Exit status 0 if both forms find every kind and raise no false alarm."""
    scratch = Scratch(args)
    args = copy.copy(args)
    args.source, args.schema, args.jobs, args.json = scratch.source_url, scratch.name, 1, None
    args.tables, args.map, args.quarantine = None, [], False
    args.range_rows = RANGE_ROWS
    good = True
    try:
        scratch.fill()
        for form in "exact", "fast":
            args.fast = form == "fast"
            found, alarms = check_form(form, scratch, args, run)
            good = good and found == len(PLANTED) and not alarms
            print(f"{form} form: {found} of {len(PLANTED)} found, {alarms} false alarms")
    finally:
        scratch.drop()
    print(f"RESULT: {'THE JUDGE SEES' if good else 'THE JUDGE IS BLIND OR CRIES WOLF'}")
    return 0 if good else 1
