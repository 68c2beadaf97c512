#!/usr/bin/python3
"""Tests of scripts/judge.py against real servers, without etl-sync.

    ETL_SYNC_ADMIN_SOURCE_URL     MariaDB or MySQL account that can create databases
    ETL_SYNC_ADMIN_WAREHOUSE_URL  PostgreSQL superuser
    /usr/bin/python3 tests/judge_test.py

The tests fill both sides themselves. They show that an equal pair is called equal, that every
planted difference is found and named, and that taking it back makes the pair equal again.
"""
import contextlib
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from unittest import mock
from urllib.parse import quote

import psycopg
import pymysql

sys.dont_write_bytecode = True
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts", "judge.py")
SOURCE = os.environ.get("ETL_SYNC_ADMIN_SOURCE_URL")
WAREHOUSE = os.environ.get("ETL_SYNC_ADMIN_WAREHOUSE_URL")


sys.path.insert(0, os.path.dirname(SCRIPT))
from judge import command, compare, connect, fast, forms, limits, policy, selftest
from judge import stream as streams
from judge import text as copy_text

# (column, source type, source literal, PostgreSQL type, PostgreSQL literal)
TYPES = [
    ("t1", "TINYINT", "-128", "smallint", "-128"),
    ("t2", "TINYINT(1)", "1", "boolean", "true"),
    ("i5", "INT(5) UNSIGNED ZEROFILL", "42", "bigint", "42"),
    ("ub", "BIGINT UNSIGNED", "18446744073709551615", "numeric(20,0)", "18446744073709551615"),
    ("yr", "YEAR", "0", "smallint", "0"),
    ("de", "DECIMAL(65,30)", "99999999999999999999999999999999999.999999999999999999999999999999",
     "numeric(65,30)", "99999999999999999999999999999999999.999999999999999999999999999999"),
    ("d1", "DECIMAL(5,1)", "1.0", "numeric", "1.0"),
    ("dz", "DECIMAL(8,2) ZEROFILL", "0.5", "numeric(8,2)", "0.50"),
    ("f1", "FLOAT", "1.234567", "real", "1.234567"),
    ("f2", "FLOAT", "16777217", "real", "16777216"),
    ("f3", "FLOAT(7,4)", "123.4567", "real", "123.4567"),
    ("db", "DOUBLE", "0.30000000000000004", "double precision", "0.30000000000000004"),
    ("dx", "DOUBLE", "1.7976931348623157e308", "double precision", "1.7976931348623157e308"),
    ("ds", "DOUBLE", "5e-324", "double precision", "5e-324"),
    ("d0", "DOUBLE", "0", "double precision", "0"),
    ("b1", "BIT(1)", "b'1'", "boolean", "true"),
    ("b10", "BIT(10)", "5", "bit(10)", "B'0000000101'"),
    ("b64", "BIT(64)", "9223372036854775808", "bit(64)", "B'1" + "0" * 63 + "'"),
    ("da", "DATE", "'0018-04-01'", "date", "'0018-04-01'"),
    ("dt", "DATETIME(6)", "'9999-12-31 23:59:59.999990'", "timestamp(6)",
     "'9999-12-31 23:59:59.99999'"),
    ("ts", "TIMESTAMP(6) NULL", "'2026-06-10 07:40:12.654321'", "timestamptz(6)",
     "'2026-06-10 07:40:12.654321+00'"),
    ("ti", "TIME(6)", "'-838:59:58.999990'", "interval", "'-838:59:58.99999'"),
    ("tt", "TIME", "'-00:20:38'", "interval", "'-00:20:38'"),
    ("ch", "CHAR(16)", "'abc   '", "varchar(16)", "'abc'"),
    ("vc", "VARCHAR(255)", "'ab   '", "varchar(255)", "'ab   '"),
    ("em", "VARCHAR(255)", "''", "varchar(255)", "''"),
    ("bn", "VARCHAR(255)", "X'5C4E'", "varchar(255)", r"'\N'"),
    ("sp", "TEXT", "X'615C6E08090A0B0C0D2762'", "text", r"E'a\\n\b\t\n\x0B\f\r''b'"),
    ("uc", "VARCHAR(255)", "'café 😀'", "text", "'café 😀'"),
    ("l1", "VARCHAR(30) CHARACTER SET latin1", "X'80E9'", "text", "'€é'"),
    ("s1", "VARCHAR(30)", "'ab'", "text", "'ab'"),
    ("s2", "VARCHAR(30)", "'c'", "text", "'c'"),
    ("en", "ENUM('a','b''s','c')", "'b''s'", "text", "'b''s'"),
    ("se", "SET('a','b','c')", "'c,a'", "text", "'a,c'"),
    ("bi", "BINARY(8)", "X'0001020304FF0000'", "bytea", r"'\x0001020304ff0000'"),
    ("bl", "LONGBLOB", "X'000102030405060708090A0B0C0D0E0FFEFFFDFC2C220A0D5C4E'", "bytea",
     r"'\x000102030405060708090a0b0c0d0e0ffefffdfc2c220a0d5c4e'"),
    ("bu", "BINARY(16)", "X'651AED08390F4893B2F136923E7B7400'", "uuid",
     "'651aed08-390f-4893-b2f1-36923e7b7400'"),
    ("js", "JSON", """'{"b": 2, "n": [1.0, 1e2, 9007199254740993, true], "a": 1, "a": 3}'""",
     "jsonb", """'{"a": 3, "b": 2, "n": [1.00, 100, 9007199254740993, true]}'"""),
    ("jn", "JSON", "'null'", "jsonb", "'null'"),
    ("g0", "POINT", "ST_GeomFromText('POINT(1 1)')", "bytea",
     r"'\x0101000000000000000000f03f000000000000f03f'"),
    ("g1", "POINT", "ST_GeomFromText('POINT(5 6)', 3857)", "bytea",
     r"'\x0101000020110f000000000000000014400000000000001840'"),
    ("nu", "INT", "NULL", "integer", "NULL"),
]
MARIADB_TYPES = [
    ("uu", "UUID", "'01020304-0506-0708-090A-0B0C0D0E0F10'", "uuid",
     "'01020304-0506-0708-090a-0b0c0d0e0f10'"),
    ("i4", "INET4", "'192.168.1.10'", "inet", "'192.168.1.10'"),
    ("i6", "INET6", "'::ffff:10.0.0.1'", "inet", "'::ffff:10.0.0.1'"),
]

# (what, table, change of the warehouse, its undoing, columns that must be named)
PLANTED = [
    ("row missing", "types", "DELETE FROM types WHERE id = 2",
     "INSERT INTO types SELECT * FROM types_copy WHERE id = 2", None),
    ("row extra", "types", "INSERT INTO types (id) VALUES (10)",
     "DELETE FROM types WHERE id = 10", None),
    ("extra row before the first key", "types", "INSERT INTO types (id) VALUES (-5)",
     "DELETE FROM types WHERE id = -5", None),
    ("extra row after the last key", "types", "INSERT INTO types (id) VALUES (5000000)",
     "DELETE FROM types WHERE id = 5000000", None),
    ("row twice", "no_key", "INSERT INTO no_key SELECT * FROM no_key WHERE n = 5 LIMIT 1",
     "DELETE FROM no_key WHERE ctid = (SELECT max(ctid) FROM no_key WHERE n = 5)", None),
    ("row twice, table with a key", "types", "INSERT INTO types SELECT * FROM types WHERE id = 1",
     "DELETE FROM types WHERE ctid = (SELECT max(ctid) FROM types WHERE id = 1)", None),
    ("row once instead of twice", "no_key",
     "DELETE FROM no_key WHERE ctid = (SELECT max(ctid) FROM no_key WHERE n = 7)",
     "INSERT INTO no_key SELECT * FROM no_key WHERE n = 7 LIMIT 1", None),
    ("'' -> NULL", "types", "UPDATE types SET em = NULL WHERE id = 1", "em = ''", "em"),
    ("NULL -> ''", "by_text", "UPDATE by_text SET note = '' WHERE code = 'nil'",
     "UPDATE by_text SET note = NULL WHERE code = 'nil'", "note"),
    ("text \\N -> NULL", "types", "UPDATE types SET bn = NULL WHERE id = 1", r"bn = '\N'", "bn"),
    ("trailing blank", "types", "UPDATE types SET vc = 'ab  ' WHERE id = 1", "vc = 'ab   '", "vc"),
    ("case", "types", "UPDATE types SET s2 = 'C' WHERE id = 1", "s2 = 'c'", "s2"),
    ("case of a key", "by_text", "UPDATE by_text SET code = 'ALPHA' WHERE code = 'alpha'",
     "UPDATE by_text SET code = 'alpha' WHERE code = 'ALPHA'", None),
    ("1 microsecond", "types", "UPDATE types SET dt = dt - interval '1 microsecond' WHERE id = 1",
     "dt = dt + interval '1 microsecond'", "dt"),
    ("1 microsecond of a TIME", "types",
     "UPDATE types SET ti = ti - interval '1 microsecond' WHERE id = 1",
     "ti = ti + interval '1 microsecond'", "ti"),
    ("one hour", "types", "UPDATE types SET ts = ts + interval '1 hour' WHERE id = 1",
     "ts = ts - interval '1 hour'", "ts"),
    ("scale 1.0 / 1.00", "types", "UPDATE types SET d1 = 1.00 WHERE id = 1", "d1 = 1.0", "d1"),
    ("0 -> -0", "types", "UPDATE types SET d0 = '-0' WHERE id = 1", "d0 = 0", "d0"),
    ("last bit of a double", "types", "UPDATE types SET db = 0.3 WHERE id = 1",
     "db = 0.30000000000000004", "db"),
    ("FLOAT as shown, not as stored", "types", "UPDATE types SET f1 = 1.23457 WHERE id = 1",
     "f1 = 1.234567", "f1"),
    ("one byte of a blob", "types", "UPDATE types SET bl = set_byte(bl, 20, 7) WHERE id = 1",
     "bl = set_byte(bl, 20, 44)", "bl"),
    ("one bit", "types", "UPDATE types SET b64 = set_bit(b64, 63, 1) WHERE id = 1",
     "b64 = set_bit(b64, 63, 0)", "b64"),
    ("SRID", "types", r"UPDATE types SET g1 = '\x010100000000000000000014400000000000001840'"
     " WHERE id = 1", r"g1 = '\x0101000020110f000000000000000014400000000000001840'", "g1"),
    ("JSON null -> NULL", "types", "UPDATE types SET jn = NULL WHERE id = 1", "jn = 'null'", "jn"),
    ("JSON true -> 1", "types",
     "UPDATE types SET js = jsonb_set(js, '{n,3}', '1') WHERE id = 1",
     "js = jsonb_set(js, '{n,3}', 'true')", "js"),
    ("two rows' values swapped", "by_text",
     "UPDATE by_text SET note = CASE code WHEN 'alpha' THEN 'second' ELSE 'first' END"
     " WHERE code IN ('alpha', 'beta') AND sub = '1'",
     "UPDATE by_text SET note = CASE code WHEN 'alpha' THEN 'first' ELSE 'second' END"
     " WHERE code IN ('alpha', 'beta') AND sub = '1'", "note"),
    ("two rows' values swapped, merged", "by_day",
     "UPDATE by_day SET z = CASE v WHEN 1 THEN date '2000-01-01' END WHERE v IN (1, 4)",
     "UPDATE by_day SET z = CASE v WHEN 4 THEN date '2000-01-01' END WHERE v IN (1, 4)", "z"),
    ("columns shifted", "types", "UPDATE types SET s1 = 'a', s2 = 'bc' WHERE id = 1",
     "s1 = 'ab', s2 = 'c'", "s1 s2"),
    ("columns shifted over a tab", "by_text",
     r"UPDATE by_text SET note = 'x', more = E'y\tz' WHERE code = 'tab'",
     r"UPDATE by_text SET note = E'x\ty', more = 'z' WHERE code = 'tab'", "note more"),
    ("columns shifted, no key", "no_key", "UPDATE no_key SET a = 'a', b = 'bc' WHERE n = 9",
     "UPDATE no_key SET a = 'ab', b = 'c' WHERE n = 9", None),
    ("end of a long text", "by_text",
     "UPDATE by_text SET more = left(more, 9999) || 'y' WHERE code = 'long'",
     "UPDATE by_text SET more = left(more, 9999) || 'x' WHERE code = 'long'", "more"),
    ("zero date -> 1970", "by_day", "UPDATE by_day SET z = '1970-01-01' WHERE v = 2",
     "UPDATE by_day SET z = NULL WHERE v = 2", "z"),
]


class Pair:
    """An own database on the source and an own schema in the warehouse."""

    def __init__(self):
        self.name = f"judge_test_{random.randrange(16 ** 8):08x}"
        at = connect.parse_url(SOURCE if SOURCE.count("/") > 2 else SOURCE + "/", "source",
                             ("mysql", "mariadb"))
        socket = at["query"].get("socket")
        self.my = pymysql.connect(
            host=at["host"] or "localhost", port=at["port"] or 3306, user=at["user"],
            password=at["password"], unix_socket=socket, charset="utf8mb4", autocommit=True)
        self.pg = psycopg.connect(WAREHOUSE, autocommit=True)
        self.source(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4", f"USE {self.name}",
                    "SET sql_mode = '', time_zone = '+00:00'")
        self.warehouse(f"CREATE SCHEMA {self.name}", f"SET search_path = {self.name}",
                       "SET timezone = 'UTC'")
        self.source_url = (f"mysql://{quote(at['user'], '')}:{quote(at['password'], '')}@"
                           f"{at['host']}{':%d' % at['port'] if at['port'] else ''}/{self.name}"
                           + (f"?socket={quote(socket)}" if socket else ""))

    def source(self, *statements):
        """Run statements on the source."""
        with self.my.cursor() as cur:
            for sql in statements:
                cur.execute(sql)

    def warehouse(self, *statements):
        """Run statements in the warehouse."""
        for sql in statements:
            self.pg.execute(sql)

    def both(self, *statements):
        """Run the same statements on both sides."""
        self.source(*statements)
        self.warehouse(*statements)

    def command(self, *arguments, source=None):
        """Arguments of the judge for this pair."""
        return ["--source", source or self.source_url, "--warehouse", WAREHOUSE,
                "--schema", self.name, *arguments]

    def judge(self, *arguments, source=None):
        """Run the script as a process: (exit status, all its output)."""
        done = subprocess.run(["/usr/bin/python3", SCRIPT,
                               *self.command(*arguments, source=source)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                              check=False)
        return done.returncode, done.stdout.decode()

    def judge_here(self, *arguments):
        """Run it in this process: (exit status, output, report)."""
        out = io.StringIO()
        with tempfile.NamedTemporaryFile("r") as report, contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(out):
            status = command.main(self.command("--jobs", "1", "--json", report.name, *arguments))
            text = report.read()
        return status, out.getvalue(), json.loads(text) if text else None

    def drop(self):
        """Leave nothing behind."""
        self.source(f"DROP DATABASE {self.name}")
        self.warehouse(f"DROP SCHEMA {self.name} CASCADE")
        self.my.close()
        self.pg.close()


def setUpModule():
    """Without servers nothing can be tested; say so instead of passing."""
    if not SOURCE or not WAREHOUSE:
        sys.exit("judge_test: set ETL_SYNC_ADMIN_SOURCE_URL and ETL_SYNC_ADMIN_WAREHOUSE_URL")


class PairCase(unittest.TestCase):
    """A test class with one pair."""

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        cls.addClassCleanup(cls.pair.drop)

    def equal(self, *arguments):
        """Assert that the judge calls the pair equal; return output and report."""
        status, text, report = self.pair.judge_here(*arguments)
        self.assertEqual(status, 0, text)
        return text, report

    def different(self, *arguments):
        """Assert that it is called different."""
        status, text, report = self.pair.judge_here(*arguments)
        self.assertEqual(status, 1, text)
        return text, report


def fill(pair):
    """The equal pair: all types, text key, date key, no key."""
    mariadb = "MariaDB" in pair.my.get_server_info()
    types = TYPES + (MARIADB_TYPES if mariadb else [])
    pair.source("CREATE TABLE types (id INT PRIMARY KEY, %s)"
                % ", ".join(f"{name} {kind}" for name, kind, *_ in types))
    pair.warehouse("CREATE TABLE types (id INT, %s)"
                   % ", ".join(f"{name} {pg}" for name, _, _, pg, _ in types))
    pair.source("INSERT INTO types VALUES (1, %s)" % ", ".join(t[2] for t in types))
    pair.warehouse("INSERT INTO types VALUES (1, %s)" % ", ".join(t[4] for t in types))
    pair.both("INSERT INTO types (id) VALUES (2), (-3), (70000)",
              "INSERT INTO types (id, vc, db, ti) VALUES (4, 'x', 0.1, '12:00:00.5')",
              "CREATE TABLE types_copy AS SELECT * FROM types")
    pair.source("DROP TABLE types_copy")

    pair.both("CREATE TABLE by_text (code VARCHAR(40), sub VARCHAR(9), note TEXT, more TEXT,"
              " PRIMARY KEY (code, sub))",
              "INSERT INTO by_text VALUES ('alpha', '1', 'first', ''), ('beta', '1', 'second', ''),"
              " ('beta', '2', 'third', NULL), ('nil', '1', NULL, ''), ('ß é', ' ', 'x ', ' '),"
              " ('long', '', 'n', '%s')" % ("x" * 10_000))
    pair.source("INSERT INTO by_text VALUES ('tab', 't', 'x\\ty', 'z')")
    pair.warehouse("INSERT INTO by_text VALUES ('tab', 't', E'x\\ty', 'z')")

    pair.both("CREATE TABLE by_day (d DATE, v INT, z DATE, PRIMARY KEY (d, v))",
              "INSERT INTO by_day VALUES ('2024-02-29', 1, NULL), ('2024-02-29', 4, '2000-01-01'),"
              " ('1752-09-09', 5, NULL)")
    pair.source("INSERT INTO by_day VALUES ('2024-03-01', 2, '0000-00-00'),"
                " ('2024-03-02', 3, '2000-00-10')")
    pair.warehouse("INSERT INTO by_day VALUES ('2024-03-01', 2, NULL), ('2024-03-02', 3, NULL)")

    rows = ", ".join(f"({n % 50}, 'ab', 'c', {n % 50}.25)" for n in range(300))
    pair.both("CREATE TABLE no_key (n INT, a VARCHAR(9), b VARCHAR(9), f DOUBLE PRECISION)",
              f"INSERT INTO no_key VALUES {rows}", "INSERT INTO no_key VALUES (NULL, '', NULL, 0)")
    pair.source('CREATE TABLE `we"ird ``t%` (`a"b``c%` INT PRIMARY KEY, `SELECT` INT)',
                'INSERT INTO `we"ird ``t%` VALUES (1, 2)', "CREATE VIEW a_view AS SELECT 1")
    pair.warehouse('CREATE TABLE "we""ird `t%" ("a""b`c%" INT PRIMARY KEY, "SELECT" INT)',
                   'INSERT INTO "we""ird `t%" VALUES (1, 2)')


class PlantedDifferences(PairCase):
    """Check the check."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        fill(cls.pair)

    def test_equal_pair(self):
        status, text = self.pair.judge("--jobs", "2")
        self.assertEqual(status, 0, text)
        self.assertIn("RESULT: EQUAL", text)
        self.assertIn("tables compared 5 of 5, rows compared 319 of 319", text)
        self.assertIn("values -> NULL: zero_dates 2", text)
        self.assertIn("only in the warehouse, not compared: types_copy", text)
        self.assertIn("views and sequences, not compared: a_view", text)
        how = {t["name"]: t["how"] for t in self.equal()[1]["by_table"]}
        self.assertEqual(how, {"types": "merge", "by_day": "merge", "by_text": "key hash",
                               "no_key": "row hash", 'we"ird `t%': "merge"})

    def test_strict_zero_dates(self):
        _, report = self.different("--zero-dates", "strict", "--tables", "by_day")
        self.assertEqual(report["by_table"][0]["columns"], {"z": 2})

    def test_every_planted_difference_is_found_and_gone_after_undoing(self):
        for what, table, change, undo, columns in PLANTED:
            with self.subTest(what):
                if not undo.startswith(("INSERT", "UPDATE", "DELETE")):
                    undo = f"UPDATE {table} SET {undo} WHERE id = 1"
                self.assertEqual(self.pair.pg.execute(change).rowcount > 0, True)
                try:
                    text, report = self.different()
                    fast_text, _ = self.different("--fast", "--range-rows", "2")
                    self.assertIn(f"different  {table} ", fast_text)
                finally:
                    self.pair.warehouse(undo)
                bad = [t for t in report["by_table"] if t["status"] != "equal"]
                self.assertEqual([t["name"] for t in bad], [table], text)
                self.assertIn(f"different  {table} ", text)
                if columns:
                    self.assertEqual(sorted(bad[0]["columns"]), sorted(columns.split()))
                    self.assertIn("columns that differ: ", text)
                    self.assertEqual(bad[0]["missing"] + bad[0]["extra"], 0)
                else:
                    self.assertGreater(bad[0]["missing"] + bad[0]["extra"], 0)
                self.equal()
                self.equal("--fast", "--range-rows", "2")

    def test_rows_are_hashed_alike_for_all_types(self):
        """Without key columns every cell of every type needs its final form."""
        self.pair.source("CREATE TABLE types_copy LIKE types",
                         "INSERT INTO types_copy SELECT * FROM types",
                         "ALTER TABLE types_copy DROP PRIMARY KEY")
        try:
            _, report = self.equal("--tables", "types_copy")
            self.assertEqual(report["by_table"][0]["how"], "row hash")
            self.pair.warehouse("UPDATE types_copy SET d0 = '-0' WHERE id = 1")
            self.different("--tables", "types_copy")
            self.pair.warehouse("UPDATE types_copy SET d0 = 0 WHERE id = 1")
        finally:
            self.pair.source("DROP TABLE types_copy")


class Shapes(PairCase):
    """Missing things, names, empty sides, output, connections."""

    def setUp(self):
        self.pair.both("CREATE TABLE t (id INT PRIMARY KEY, secret VARCHAR(99))",
                       "INSERT INTO t VALUES (1, 'open'), (424242, 'hidden')")

    def tearDown(self):
        self.pair.both("DROP TABLE IF EXISTS t")

    def test_nothing_compared_fails(self):
        self.pair.both("DELETE FROM t")
        self.assertIn("NOTHING COMPARED", self.different()[0])
        self.equal("--allow-empty")
        self.pair.both("DROP TABLE t")
        self.assertIn("NOTHING COMPARED", self.different("--allow-empty")[0])

    def test_table_missing(self):
        self.pair.warehouse("DROP TABLE t")
        self.assertIn("table missing in the warehouse", self.different()[0])

    def test_empty_table_missing(self):
        self.pair.source("CREATE TABLE void (id INT)")
        self.assertIn("different  void", self.different()[0])
        self.pair.source("DROP TABLE void")

    def test_column_missing_or_extra(self):
        self.pair.warehouse("ALTER TABLE t RENAME secret TO other")
        text, report = self.different()
        self.assertIn("column missing in the warehouse: secret", text)
        self.assertIn("columns only in the warehouse: other", text)
        self.assertEqual(report["rows_compared"], 2)
        self.equal("--map", "t.secret=other")
        self.pair.warehouse("ALTER TABLE t RENAME other TO secret", "ALTER TABLE t ADD x INT")
        self.different()
        self.equal("--allow-extra-columns")

    def test_the_time_of_a_row_is_no_surplus(self):
        """Only this name and type, and only when the source has no column of that name."""
        self.pair.warehouse('ALTER TABLE t ADD "_loaded_at" timestamptz NOT NULL DEFAULT now()')
        self.equal()
        self.pair.source("ALTER TABLE t ADD `_Loaded_At` TIMESTAMP NULL")
        self.assertIn("column missing in the warehouse: _Loaded_At", self.different()[0])
        self.pair.warehouse('ALTER TABLE t ADD "_Loaded_At" timestamptz')
        self.assertIn("columns only in the warehouse: _loaded_at", self.different()[0])
        self.pair.source("ALTER TABLE t DROP `_Loaded_At`")
        self.pair.warehouse('ALTER TABLE t DROP "_Loaded_At"')
        self.equal()
        for other in "timestamp", "timestamptz(0)":
            self.pair.warehouse(f"ALTER TABLE t ALTER _loaded_at TYPE {other}")
            self.assertIn("columns only in the warehouse: _loaded_at", self.different()[0])

    def test_rows_marked_as_deleted_are_not_there(self):
        """Only by this column's name and type; and a row of the source that is marked is missing."""
        self.pair.warehouse('ALTER TABLE t ADD "_deleted_at" timestamptz')
        self.equal()
        self.pair.warehouse("INSERT INTO t SELECT (jsonb_populate_record(t, '{\"id\": 99}')).* FROM t LIMIT 1")
        self.assertEqual(self.different()[1]["extra"], 1)
        self.pair.warehouse("UPDATE t SET _deleted_at = now() WHERE id = 99")
        self.equal()
        self.equal("--fast")
        self.pair.warehouse("UPDATE t SET _deleted_at = now() WHERE id = 1")
        self.assertEqual(self.different()[1]["missing"], 1)
        self.different("--fast")
        self.pair.warehouse("ALTER TABLE t ALTER _deleted_at TYPE timestamp")
        self.assertIn("columns only in the warehouse: _deleted_at", self.different()[0])

    def test_key_column_missing(self):
        self.pair.warehouse("ALTER TABLE t DROP id")
        text, report = self.different()
        self.assertIn("column missing in the warehouse: id", text)
        self.assertEqual(report["by_table"][0]["how"], "row hash")

    def test_long_name(self):
        name = "é" * 40
        self.pair.source(f"CREATE TABLE `{name}` (id INT)")
        self.pair.warehouse('CREATE TABLE "short" (id INT)')
        try:
            self.assertIn("name not checked: over 63 bytes", self.different()[0])
            self.equal("--map", f"{name}=short")
        finally:
            self.pair.source(f"DROP TABLE `{name}`")
            self.pair.warehouse("DROP TABLE short")

    def test_no_values_in_the_output(self):
        self.pair.warehouse("UPDATE t SET secret = 'changed' WHERE id = 424242",
                            "ALTER TABLE t ADD UNIQUE (id)")
        for arguments, key, value in ((), False, False), (("--show-keys",), True, False), \
                (("--show-values",), True, True):
            text, report = self.different(*arguments)
            text += json.dumps(report)
            self.assertEqual("424242" in text, key, text)
            self.assertEqual("hidden" in text, value, text)
            self.assertEqual("changed'" in text, value, text)

    def test_no_row_in_the_output_for_tables_without_key(self):
        self.pair.source("ALTER TABLE t DROP PRIMARY KEY")
        self.pair.warehouse("UPDATE t SET secret = 'changed' WHERE id = 424242")
        text, _ = self.different("--show-keys")
        self.assertNotIn("hidden", text)

    def test_invalid_utf8_is_a_difference_not_a_crash(self):
        self.pair.source("ALTER TABLE t MODIFY secret VARBINARY(99)",
                         "UPDATE t SET secret = X'61EDA080FF' WHERE id = 1",
                         "ALTER TABLE t MODIFY secret BLOB")
        self.different("--show-values")
        self.pair.source("CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(20))",
                         "INSERT INTO u VALUES (1, X'EDA080')")
        self.pair.warehouse("CREATE TABLE u (id INT PRIMARY KEY, v TEXT)",
                            "INSERT INTO u VALUES (1, '?')")
        try:
            _, report = self.different("--show-values", "--tables", "u")
            self.assertEqual(report["by_table"][0]["extra"], 1)
            _, report = self.different("--tables", "u", "--invalid-utf8", "strict")
            self.assertEqual(report["by_table"][0]["columns"], {"v": 1})
        finally:
            self.pair.both("DROP TABLE u")

    def test_wrong_password_and_wrong_host(self):
        base = self.pair.source_url
        head, _, tail = base.rpartition("@")
        user = head.partition("://")[2].partition(":")[0]
        status, text = self.pair.judge(source=f"mysql://{user}:wr0ng%2Fpw@{tail}")
        self.assertEqual(status, 2, text)
        self.assertNotIn("wr0ng", text)
        self.assertIn("1045", text)
        status, text = self.pair.judge(source="mysql://u:wr0ng@127.0.0.1:1/x")
        self.assertEqual(status, 2, text)
        self.assertNotIn("wr0ng", text)
        status, text = self.pair.judge(source="mysql://u:wr0ng@host:po:rt/x")
        self.assertEqual(status, 2, text)
        self.assertNotIn("wr0ng", text)

    def test_usage(self):
        self.assertEqual(self.pair.judge("--tables", "absent")[0], 2)
        self.assertEqual(self.pair.judge("--map", "absent")[0], 2)
        self.assertEqual(self.pair.judge("--no-such-flag")[0], 2)

    def test_wrong_schema_is_not_equal(self):
        self.assertEqual(self.pair.judge("--schema", "no_such_schema")[0], 1)

    def test_unreadable_table_is_not_equal(self):
        self.pair.source("CREATE TABLE broken (id INT)",)
        self.pair.warehouse("CREATE TABLE broken (id INT)", "CREATE ROLE %s_r LOGIN PASSWORD 'x'"
                            % self.pair.name, "GRANT USAGE ON SCHEMA %s TO %s_r"
                            % (self.pair.name, self.pair.name),
                            "GRANT SELECT ON t TO %s_r" % self.pair.name)
        try:
            status, text = self.pair.judge("--warehouse", self.other_login())
            self.assertEqual(status, 2, text)
            self.assertIn("error      broken", text)
            self.assertIn("equal      t", text)
        finally:
            self.pair.both("DROP TABLE broken")
            self.pair.warehouse("DROP OWNED BY %s_r" % self.pair.name,
                                "DROP ROLE %s_r" % self.pair.name)

    def other_login(self):
        """The warehouse's URL for the role of the test above."""
        info = self.pair.pg.info
        return (f"postgresql://{self.pair.name}_r:x@/{info.dbname}"
                f"?host={quote(info.host)}&port={info.port}")


class Streams(PairCase):
    """More rows than a block, borders, order, rows of megabytes."""

    ROWS = 5003

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        values = [", ".join(f"({n * 3}, 'v{n}', {n % 7 or 'NULL'})"
                            for n in range(start, min(start + 1000, cls.ROWS)))
                  for start in range(0, cls.ROWS, 1000)]
        for table, key in ("big", "id"), ("big_text", "v"), ("big_none", None):
            cls.pair.both(f"CREATE TABLE {table} (id BIGINT, v VARCHAR(20), w INT"
                          + (f", PRIMARY KEY ({key}))" if key else ")"))
            cls.pair.both(*(f"INSERT INTO {table} VALUES {v}" for v in values))
            if key:  # the warehouse may hold anything
                cls.pair.warehouse(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey",
                                   f"ALTER TABLE {table} ALTER {key} DROP NOT NULL")

    def test_exact_counts(self):
        gone = [0, 1999, 2000, 2001, 3999, 4500, 4501, 4502, self.ROWS - 1]
        where = ", ".join(str(n * 3) for n in gone)
        for small in 50_000, 300:
            compare.PARTITION_ROWS, kept = small, compare.PARTITION_ROWS
            self.addCleanup(setattr, compare, "PARTITION_ROWS", kept)
            for table in "big", "big_text", "big_none":
                with self.subTest(table=table, rows=small):
                    self.pair.warehouse(f"CREATE TABLE aside AS SELECT * FROM {table}"
                                        f" WHERE id IN ({where})",
                                        f"DELETE FROM {table} WHERE id IN ({where})",
                                        f"INSERT INTO {table} VALUES (1, 'a', 1), (6001, 'b', 1),"
                                        " (9999999, 'c', 1)",
                                        f"UPDATE {table} SET w = 99 WHERE id = 9000")
                    _, report = self.different("--tables", table)
                    self.pair.warehouse(f"DELETE FROM {table} WHERE id IN (1, 6001, 9999999)",
                                        f"UPDATE {table} SET w = 4 WHERE id = 9000",
                                        f"INSERT INTO {table} SELECT * FROM aside",
                                        "DROP TABLE aside")
                    found = report["by_table"][0]
                    keyless = table == "big_none"
                    self.assertEqual(
                        (found["missing"], found["extra"], found["changed"]),
                        (len(gone) + keyless, 3 + keyless, int(not keyless)))
                    self.equal("--tables", table)

    def test_fast_gives_the_same_counts_as_exact(self):
        for table in "big", "big_text", "big_none":
            with self.subTest(table):
                self.pair.warehouse(f"CREATE TABLE kept AS TABLE {table}",
                                    f"DELETE FROM {table}"
                                    f" WHERE id IN (0, 6000, {self.ROWS * 3 - 3})",
                                    f"INSERT INTO {table} VALUES (-1, 'a', 1), (6001, 'b', 1),"
                                    f" (NULL, 'c', 1), (9999999, 'd', 1)",
                                    f"UPDATE {table} SET w = 99 WHERE id = 9000")
                counts = []
                for arguments in (), ("--fast", "--range-rows", "300"):
                    _, report = self.different("--tables", table, *arguments)
                    found = report["by_table"][0]
                    counts.append([found[name] for name in ("missing", "extra", "changed",
                                                            "source_rows", "warehouse_rows")])
                    kept = found
                self.assertEqual(*counts)
                self.assertEqual(kept["how"], "fast")
                self.assertEqual(kept["ranges"], 16 if table == "big" else 1)
                # The first with the NULL, one each in the middle, the last with the far key.
                self.assertEqual(kept["ranges_exact"], 4 if table == "big" else 1)
                self.pair.warehouse(f"DELETE FROM {table}",
                                    f"INSERT INTO {table} TABLE kept", "DROP TABLE kept")
                text, report = self.equal("--tables", table, "--fast", "--range-rows", "300")
                self.assertEqual(report["by_table"][0]["ranges_exact"], 0, text)

    def test_ranges_that_differ_are_named_without_key_values(self):
        self.pair.warehouse("UPDATE big SET w = 99 WHERE id = 9000")
        try:
            arguments = "--tables", "big", "--fast", "--range-rows", "300"
            text, report = self.different(*arguments)
            self.assertIn("key ranges that differ: 1 of 16\n", text)
            self.assertEqual(report["by_table"][0]["ranges_different"], 1)
            text, _ = self.different(*arguments, "--show-keys")
            self.assertRegex(text, r"key ranges that differ: 1 of 16: 8\d\d\d .. 9\d\d\d\n")
        finally:
            self.pair.warehouse("UPDATE big SET w = 4 WHERE id = 9000")

    def test_values_spelled_differently_are_no_false_alarm(self):
        """1e15 is 1e+15 in PostgreSQL: every range differs, the rest is compared in one go."""
        rows = ", ".join(f"({n}, {n}e200)" for n in range(1, 500))
        self.pair.both("CREATE TABLE spelled (id INT PRIMARY KEY, v DOUBLE PRECISION)",
                       f"INSERT INTO spelled VALUES {rows}")
        arguments = "--tables", "spelled", "--fast", "--range-rows", "50"
        found = self.equal(*arguments)[1]["by_table"][0]
        self.assertEqual((found["ranges"], found["ranges_exact"]), (4, 4))
        self.pair.warehouse("UPDATE spelled SET v = 498.000000000001e200 WHERE id = 498")
        self.assertEqual(self.different(*arguments)[1]["by_table"][0]["columns"], {"v": 1})
        self.pair.both("DROP TABLE spelled")

    def test_a_key_that_sorts_differently_falls_back(self):
        self.pair.source("CREATE TABLE z (d DATE, PRIMARY KEY (d))",
                         "INSERT INTO z VALUES ('2001-01-01'), ('2003-01-01'), ('0000-00-00')")
        self.pair.warehouse("CREATE TABLE z (d DATE)",
                            "INSERT INTO z VALUES ('2001-01-01'), ('2003-01-01'), (NULL)")
        _, report = self.equal("--tables", "z")
        self.assertEqual(report["by_table"][0]["how"], "key hash")
        self.assertEqual(report["nulled"], {"zero_dates": 1})
        self.pair.both("DROP TABLE z")

    def test_rows_of_megabytes(self):
        self.pair.both("CREATE TABLE wide (id INT PRIMARY KEY, a TEXT, b TEXT)")
        self.pair.source("ALTER TABLE wide MODIFY a LONGTEXT, MODIFY b LONGTEXT")
        self.pair.both("INSERT INTO wide VALUES (1, repeat('é', 2000000), repeat('a', 70000)),"
                       " (2, repeat('b', 300), repeat('c', 251)), (3, '', repeat('d', 65536))")
        self.equal("--tables", "wide")
        self.pair.warehouse("UPDATE wide SET b = repeat('a', 69999) || 'b' WHERE id = 1")
        self.assertEqual(self.different("--tables", "wide")[1]["by_table"][0]["columns"], {"b": 1})
        self.pair.both("DROP TABLE wide")

    def test_random_doubles(self):
        """Both servers' spellings of random bit patterns meet in one value."""
        generator = random.Random(1)
        numbers = []
        while len(numbers) < 3000:
            value, = struct.unpack("<d", generator.randbytes(8))
            if value == value and abs(value) != float("inf"):
                numbers.append(repr(value))
        rows = ", ".join(f"({n}, {v}, {generator.uniform(-1e30, 1e30)!r})"
                         for n, v in enumerate(numbers))
        self.pair.source("CREATE TABLE fl (id INT PRIMARY KEY, d DOUBLE, f FLOAT)")
        self.pair.warehouse("CREATE TABLE fl (id INT PRIMARY KEY, d DOUBLE PRECISION, f REAL)")
        self.pair.both(f"INSERT INTO fl VALUES {rows}")
        self.equal("--tables", "fl")
        self.equal("--tables", "fl", "--fast")
        self.pair.both("DROP TABLE fl")


class FastForm(PairCase):
    """Every type that the fast form knows, its texts and its limits."""

    EXACT_ONLY = {"js", "jn", "g0", "g1", "i4", "i6"}
    # As written in TYPES these doubles are spelled differently by PostgreSQL.
    SPELLED = {"dx", "ds"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mariadb = "MariaDB" in cls.pair.my.get_server_info()
        cls.types = [t for t in TYPES + (MARIADB_TYPES if mariadb else [])
                     if t[0] not in cls.EXACT_ONLY | cls.SPELLED]
        cls.types += [("lg", "LONGTEXT CHARACTER SET latin1", "X'80E9'", "text", "'€é'"),
                      ("cs", "VARCHAR(9) COLLATE utf8mb4_bin", "'Ab'", "text", "'Ab'"),
                      ("ck", "VARCHAR(9) CHARACTER SET utf8mb3", "'é'", "text", "'é'"),
                      ("uc36", "CHAR(36)", "'651AED08-390f-4893-b2f1-36923e7b7400'", "uuid",
                       "'651aed08-390f-4893-b2f1-36923e7b7400'"),
                      ("jt", "LONGTEXT", """'{"b": 1,  "a": 1e0}'""", "json",
                       """'{"b": 1,  "a": 1e0}'""")]
        cls.pair.source("CREATE TABLE f (id INT PRIMARY KEY, %s)"
                        % ", ".join(f"{name} {kind}" for name, kind, *_ in cls.types),
                        "INSERT INTO f VALUES (1, %s)" % ", ".join(t[2] for t in cls.types))
        cls.pair.warehouse("CREATE TABLE f (id INT, %s)"
                           % ", ".join(f"{name} {pg}" for name, _, _, pg, _ in cls.types),
                           "INSERT INTO f VALUES (1, %s)" % ", ".join(t[4] for t in cls.types))
        cls.pair.both("INSERT INTO f (id) VALUES (2)")

    def test_both_servers_write_one_text(self):
        text, report = self.equal("--fast")
        self.assertIn("[fast, 1 ranges, 0 compared exactly, ", text)
        self.assertIn("fast form 1 tables, exact form 0", text)
        self.assertEqual(report["tables_fast"], 1)

    def test_every_column_is_in_the_digest(self):
        for name, *_ in self.types:
            if name == "nu":
                continue
            with self.subTest(name):
                self.pair.warehouse("BEGIN", f"CREATE TABLE kept AS SELECT {name} AS v FROM f"
                                    " WHERE id = 1", f"UPDATE f SET {name} = NULL WHERE id = 1",
                                    "COMMIT")
                _, report = self.different("--fast")
                self.assertEqual(report["by_table"][0]["columns"], {name: 1})
                self.pair.warehouse(f"UPDATE f SET {name} = v FROM kept WHERE id = 1",
                                    "DROP TABLE kept")

    def test_tables_that_the_fast_form_cannot_take_say_why(self):
        self.pair.both("CREATE TABLE g (id INT PRIMARY KEY)", "INSERT INTO g VALUES (1)")
        self.pair.source("ALTER TABLE g ADD j JSON, ADD p POINT")
        self.pair.warehouse("ALTER TABLE g ADD j jsonb, ADD p bytea")
        try:
            text, report = self.equal("--fast", "--tables", "g")
            self.assertRegex(text, r"\[merge, exact because j is (json|longtext) -> jsonb, "
                             "p is point -> bytea, ")
            self.assertEqual(report["tables_fast"], 0)
        finally:
            self.pair.both("DROP TABLE g")

    def test_a_row_over_max_allowed_packet_is_not_skipped(self):
        """MySQL's CONCAT is NULL then, and sums skip NULL: COUNT of the digests tells."""
        self.pair.both("CREATE TABLE w (id INT PRIMARY KEY, a VARCHAR(8000), b VARCHAR(8000))",
                       "INSERT INTO w VALUES (1, repeat('a', 8000), repeat('b', 8000))")
        cursor = self.pair.my.cursor()
        cursor.execute("SELECT @@global.max_allowed_packet")
        before, = cursor.fetchone()
        self.pair.source("SET GLOBAL max_allowed_packet = 8192")
        try:
            _, report = self.equal("--fast", "--tables", "w")
            self.assertEqual(report["by_table"][0]["ranges_exact"], 1)
            self.pair.warehouse("UPDATE w SET b = repeat('c', 8000)")
            self.different("--fast", "--tables", "w")
        finally:
            self.pair.source(f"SET GLOBAL max_allowed_packet = {before}")
            self.pair.both("DROP TABLE w")


class SelfTest(PairCase):
    """`--self-test` finds all kinds, and says so when the judge is broken."""

    def run_self_test(self, form, kinds):
        """In this process, one form, some kinds: (kinds found, false alarms)."""
        args = command.arguments(self.pair.command("--self-test"))
        scratch = selftest.Scratch(args)
        args.source, args.schema, args.jobs = scratch.source_url, scratch.name, 1
        args.range_rows, args.fast = selftest.RANGE_ROWS, form == "fast"
        planted = [entry for entry in selftest.PLANTED if entry[0] in kinds]
        self.assertEqual(len(planted), len(kinds))
        try:
            scratch.fill()
            with mock.patch.object(selftest, "PLANTED", planted), \
                    contextlib.redirect_stdout(io.StringIO()):
                return selftest.check_form(form, scratch, args, command.run)
        finally:
            scratch.drop()

    def test_all_14_with_both_forms(self):
        self.assertEqual(len(selftest.PLANTED), 14)
        status, text = self.pair.judge("--self-test")
        self.assertEqual(status, 0, text)
        for form in "exact", "fast":
            self.assertIn(f"{form} form: 14 of 14 found, 0 false alarms", text)
            for kind, _ in selftest.PLANTED:
                self.assertIn(f"{form}  found  {kind}", text)

    def test_without_lengths_shifted_columns_are_missed(self):
        def no_lengths(real):
            return lambda columns: re.sub(r"LENGTH\(`\w+`\)|octet_length\(\"\w+\"(::text)?\)|':'",
                                          "''", real(columns))

        kinds = {"two columns shifted", "case"}
        self.assertEqual(self.run_self_test("fast", kinds), (2, 0))
        with mock.patch.object(fast, "source_digest", no_lengths(fast.source_digest)), \
                mock.patch.object(fast, "target_digest", no_lengths(fast.target_digest)):
            self.assertEqual(self.run_self_test("fast", kinds)[0], 1)

    def test_without_null_marks_null_for_empty_is_missed(self):
        def unmarked(real):
            return lambda columns: real(columns).replace("'N'", "'0'")

        with mock.patch.object(fast, "LONG_TEXTS", set()), \
                mock.patch.object(fast, "TEXTS", {"varchar", "text"}), \
                mock.patch.object(fast, "source_digest", unmarked(fast.source_digest)), \
                mock.patch.object(fast, "target_digest", unmarked(fast.target_digest)):
            self.assertEqual(self.run_self_test("fast", {"NULL <-> ''", "case"}), (1, 0))

    def test_rows_outside_of_all_ranges_are_still_told(self):
        real = fast.FastJudge.conditions

        def closed(self, low, high):
            if self.job.name == "by_number":
                low, high = low if low is not None else 0, high if high is not None else 900
            return real(self, low, high)

        kinds = {"extra row outside the first and last range", "case"}
        with mock.patch.object(fast.FastJudge, "conditions", closed):
            # The counts over the whole table do not fit those of the ranges.
            self.assertEqual(self.run_self_test("fast", kinds), (2, 0))

    def test_a_blind_exact_form_is_told(self):
        with mock.patch.object(forms, "float_form", lambda cell: b"%.15g" % float(cell)):
            self.assertEqual(
                self.run_self_test("exact", {"last bit of a double", "case"}), (1, 0))

    def test_false_alarms_are_told(self):
        with mock.patch.object(limits, "date_form", lambda: lambda cell: cell):
            _, alarms = self.run_self_test("exact", {"case"})
        self.assertGreater(alarms, 0)


class Policies(PairCase):
    """Values that PostgreSQL cannot hold, derived from the source alone."""

    # kind: (source column, target column, bad source literals, warehouse literals after strip)
    KINDS = {
        "zero_dates": ("DATETIME", "timestamp", ["'0000-00-00 00:00:00'", "'2024-00-10 01:00:00'"],
                       None),
        "nul_bytes": ("VARCHAR(30)", "text", ["X'61620063'", "X'00'"], ["'abc'", "''"]),
        "invalid_utf8": ("VARCHAR(30)", "text", ["X'61EDA08062'", "X'EDBFBF'"], ["'ab'", "''"]),
        "out_of_range": ("INT", "smallint", ["32768", "-32769"], None),
    }
    # Each must be out_of_range unless another kind is named: source type, literal, target type.
    BAD = [
        ("BIGINT UNSIGNED", "9223372036854775808", "bigint"),
        ("INT UNSIGNED", "2147483648", "int"), ("BIT(16)", "40000", "smallint"),
        ("TINYINT(1)", "2", "boolean"), ("BIT(2)", "2", "boolean"),
        ("DECIMAL(10,2)", "1.50", "int"), ("DECIMAL(10,2)", "1000.00", "numeric(5,2)"),
        ("DECIMAL(10,3)", "1.005", "numeric(10,2)"), ("BIGINT UNSIGNED", "123456", "numeric(5,0)"),
        ("DATETIME", "'2024-01-01 00:00:01'", "date"),
        ("DATETIME(6)", "'2024-01-01 00:00:00.000001'", "timestamp(3)"),
        ("TIME", "'24:00:01'", "time"), ("TIME", "'-00:00:01'", "time"),
        ("TIME(6)", "'10:00:00.000001'", "time(3)"),
        ("VARCHAR(9)", "'abcd'", "varchar(3)"), ("VARCHAR(9)", "'abc '", "varchar(3)"),
        ("TEXT", "'éééé'", "varchar(3)"), ("CHAR(36)", "'no uuid'", "uuid"),
        ("VARBINARY(16)", "X'0102'", "uuid"),
        ("LONGTEXT", """'{"a": "\\\\ud800"}'""", "jsonb"), ("LONGTEXT", "'[1e200000]'", "jsonb"),
        ("LONGTEXT", "'[1e-20000]'", "jsonb"), ("LONGTEXT", "'{'", "jsonb"),
        ("LONGTEXT", """'{"a": "\\\\u0000"}'""", "jsonb", "nul_bytes"),
        ("LONGTEXT", """'"\\\\\\\\\\\\u0000"'""", "jsonb", "nul_bytes"),
        ("LONGTEXT", "X'22EDA08022'", "jsonb", "invalid_utf8"),
    ]
    GOOD = [
        ("BIGINT UNSIGNED", "9223372036854775807", "bigint", "9223372036854775807"),
        ("DECIMAL(10,2)", "1.00", "int", "1"),
        ("DECIMAL(10,2)", "999.99", "numeric(5,2)", "999.99"),
        ("TIME", "'24:00:00'", "time", "'24:00:00'"), ("TIME", "'00:00:00'", "time", "'00:00:00'"),
        ("DATETIME", "'2024-01-01 00:00:00'", "date", "'2024-01-01'"),
        ("DATE", "'2024-01-01'", "timestamp", "'2024-01-01'"),
        ("DATETIME(6)", "'2024-01-01 00:00:00.120000'", "timestamp(3)", "'2024-01-01 00:00:00.12'"),
        ("VARCHAR(9)", "'ééé'", "varchar(3)", "'ééé'"),
        ("LONGTEXT", """'"\\\\\\\\u0000"'""", "jsonb", r"""'"\\u0000"'"""),
        ("LONGTEXT", """'"\\\\ud83d\\\\ude00"'""", "jsonb", """'"😀"'"""),
        ("LONGTEXT", "'[1e131071, 1e-16383]'", "jsonb", "'[1e131071, 1e-16383]'"),
        # By option of the sync: same value, another type.
        ("TINYINT(1)", "1", "boolean", "true"), ("BIT(1)", "0", "boolean", "false"),
        ("LONGTEXT", """'{"b": 1,  "a": 1.0}'""", "json", """'{"b": 1,  "a": 1.0}'"""),
        ("JSON", """'{"b": 1}'""", "text", """'{"b": 1}'"""),
        ("TIME(6)", "'23:59:59.5'", "time(6)", "'23:59:59.5'"),
        ("DATETIME", "'2024-01-01 10:00:00'", "timestamptz", "'2024-01-01 10:00:00+00'"),
        ("TIMESTAMP NULL", "'2024-01-01 10:00:00'", "timestamp", "'2024-01-01 10:00:00'"),
        ("CHAR(36)", "'651AED08-390f-4893-b2f1-36923e7b7400'", "uuid",
         "'651aed08-390f-4893-b2f1-36923e7b7400'"),
        ("BINARY(16)", "X'651AED08390F4893B2F136923E7B7400'", "uuid",
         "'651aed08-390f-4893-b2f1-36923e7b7400'"),
        ("SMALLINT", "-5", "bigint", "-5"), ("INT UNSIGNED", "7", "numeric(20,0)", "7"),
        ("FLOAT", "1.1", "double precision", "1.10000002384185791015625"),
    ]
    # The same pairs with a value that is not the source's.
    WRONG = [
        ("TINYINT(1)", "1", "boolean", "false"), ("BIT(1)", "0", "boolean", "true"),
        ("LONGTEXT", """'{"b": 1,  "a": 1.0}'""", "json", """'{"a": 1.0, "b": 1}'"""),
        ("JSON", """'{"b": 1}'""", "text", """'{"b":1}'"""),
        ("TIME(6)", "'23:59:59.5'", "time(6)", "'23:59:59.500001'"),
        ("DATETIME", "'2024-01-01 10:00:00'", "timestamptz", "'2024-01-01 10:00:00+01'"),
        ("TIMESTAMP NULL", "'2024-01-01 10:00:00'", "timestamp", "'2024-01-01 11:00:00'"),
        ("CHAR(36)", "'651AED08-390f-4893-b2f1-36923e7b7400'", "uuid",
         "'651aed08-390f-4893-b2f1-36923e7b7401'"),
        ("BINARY(16)", "X'651AED08390F4893B2F136923E7B7400'", "uuid",
         "'651aed08-390f-4893-b2f1-36923e7b7401'"),
        ("BIGINT UNSIGNED", "9223372036854775807", "bigint", "9223372036854775806"),
        ("FLOAT", "1.1", "double precision", "1.1"),
    ]

    def make(self, source, target, key="PRIMARY KEY"):
        """An empty table on both sides with one good row."""
        self.pair.both("DROP TABLE IF EXISTS p")
        self.pair.source(f"CREATE TABLE p (id INT {key}, v {source})", "SET NAMES utf8mb4")
        self.pair.warehouse(f"CREATE TABLE p (id INT, v {target})")
        self.pair.both("INSERT INTO p VALUES (1, NULL)")
        self.addCleanup(self.pair.both, "DROP TABLE IF EXISTS p")

    def add(self, side, values, first=10):
        """Rows of given literals."""
        side(*(f"INSERT INTO p VALUES ({first + n}, {value})" for n, value in enumerate(values)))

    def test_every_policy_of_every_kind(self):
        for kind, (source, target, bad, stripped) in self.KINDS.items():
            for key in "PRIMARY KEY", "":
                for choice in policy.POLICIES[kind][0]:
                    with self.subTest(kind=kind, choice=choice, key=key):
                        self.make(source, target, key)
                        self.add(self.pair.source, bad)
                        self.one_policy("--" + kind.replace("_", "-"), kind, choice, stripped)

    def one_policy(self, option, kind, choice, stripped):
        """What each policy accepts and what not, in both forms."""
        states = {"reject": [], "null": ["NULL", "NULL"], "strip": stripped, "strict": None}
        counts = {"reject": "rejected", "null": "nulled", "strip": "stripped"}
        for state, values in states.items():
            if values is None:
                continue
            self.pair.warehouse("DELETE FROM p WHERE id >= 10")
            self.add(self.pair.warehouse, values)
            for form in (), ("--fast",):
                if state != choice:
                    self.different(option, choice, *form)
                    continue
                text, report = self.equal(option, choice, *form)
                found = report["by_table"][0]
                self.assertEqual(found[counts[choice]], {kind: 2}, text)
                self.assertEqual(found["rejected_rows"], 2 if choice == "reject" else 0)
                self.assertEqual(found["source_rows"],
                                 found["warehouse_rows"] + found["rejected_rows"])
                self.assertIn(f"{kind} 2", text)

    def test_defaults_are_the_products(self):
        args = command.arguments(self.pair.command())
        self.assertEqual([getattr(args, kind) for kind in policy.POLICIES],
                         ["null", "reject", "reject", "reject"])

    def test_what_is_refused(self):
        for source, literal, target, *kind in self.BAD:
            with self.subTest(source=source, literal=literal, target=target):
                self.make(source, target)
                self.add(self.pair.source, [literal])
                _, report = self.equal()
                self.assertEqual(report["by_table"][0]["rejected"],
                                 {(kind or ["out_of_range"])[0]: 1})

    def test_what_is_not_refused(self):
        for source, literal, target, same in self.GOOD:
            with self.subTest(source=source, literal=literal, target=target):
                self.make(source, target)
                self.add(self.pair.source, [literal])
                self.different()
                self.add(self.pair.warehouse, [same])
                for form in (), ("--fast",):
                    self.assertEqual(self.equal(*form)[1]["rejected_rows"], 0)

    def test_other_values_in_other_types_are_found(self):
        for source, literal, target, other in self.WRONG:
            with self.subTest(source=source, literal=literal, target=target):
                self.make(source, target)
                self.add(self.pair.source, [literal])
                self.add(self.pair.warehouse, [other])
                for form in (), ("--fast",):
                    self.assertEqual(self.different(*form)[1]["by_table"][0]["columns"], {"v": 1})

    def test_two_breaches_in_one_value_or_row(self):
        self.make("VARCHAR(30)", "text")
        self.add(self.pair.source, ["X'6100EDA08062'"])
        self.assertEqual(self.equal()[1]["rejected"], {"nul_bytes": 1})
        self.assertEqual(self.equal("--nul-bytes", "strip")[1]["rejected"], {"invalid_utf8": 1})
        self.pair.warehouse("INSERT INTO p VALUES (10, 'ab')")
        self.different()
        self.equal("--nul-bytes", "strip", "--invalid-utf8", "strip")
        self.pair.warehouse("UPDATE p SET v = NULL WHERE id = 10")
        self.equal("--nul-bytes", "null", "--invalid-utf8", "strip")
        self.different("--nul-bytes", "null", "--invalid-utf8", "strict")

    def test_nul_stripped_from_json(self):
        self.make("LONGTEXT", "jsonb")
        self.add(self.pair.source, ["""'{"a": "x\\\\u0000y", "b": 1}'"""])
        self.pair.warehouse("""INSERT INTO p VALUES (10, '{"a": "xy", "b": 1}')""")
        self.equal("--nul-bytes", "strip")
        self.pair.warehouse("""UPDATE p SET v = '{"a": "x", "b": 1}' WHERE id = 10""")
        self.different("--nul-bytes", "strip")

    def test_quarantine(self):
        self.make("VARCHAR(30)", "text")
        self.add(self.pair.source, ["X'00'", "X'61EDA080'"])
        self.assertIn("quarantine holds 0 rows, but 2 must be rejected",
                      self.different("--quarantine")[0])
        self.pair.warehouse("CREATE SCHEMA etl_quarantine",
                            "CREATE TABLE etl_quarantine.rejected_row (job text, table_name text,"
                            " key jsonb, column_name text, reason text, run_id text)")
        self.addCleanup(self.pair.warehouse, "DROP SCHEMA etl_quarantine CASCADE")
        row = f"INSERT INTO etl_quarantine.rejected_row VALUES ('{self.pair.name}', 'p')"
        self.pair.warehouse(row, row.replace(self.pair.name, "another"))
        self.assertIn("quarantine holds 1 rows", self.different("--quarantine")[0])
        self.pair.warehouse(row)
        self.equal("--quarantine")
        self.pair.warehouse(row)
        self.assertIn("quarantine holds 3 rows", self.different("--quarantine")[0])
        self.equal()
        self.pair.warehouse("DELETE FROM etl_quarantine.rejected_row WHERE ctid = (SELECT max(ctid)"
                            " FROM etl_quarantine.rejected_row)", row.replace("'p'", "'gone'"))
        self.assertIn("quarantine holds rows of unknown tables: gone",
                      self.different("--quarantine")[0])


class RecordedNames(PairCase):
    """etl_sync.name_map: names over 63 bytes, shortened by the sync."""

    LONG = "é" * 40

    def setUp(self):
        self.pair.source(f"CREATE TABLE `{self.LONG}` (id INT PRIMARY KEY, `c{self.LONG}` INT)",
                         f"INSERT INTO `{self.LONG}` VALUES (1, 2)")
        self.pair.warehouse("CREATE TABLE short (id INT, shorter INT)",
                            "INSERT INTO short VALUES (1, 2)",
                            "CREATE SCHEMA IF NOT EXISTS etl_sync",
                            "CREATE TABLE IF NOT EXISTS etl_sync.name_map"
                            " (job text, table_name text, column_name text, target_name text)")
        self.record(self.LONG, "", "short")
        self.record(self.LONG, f"c{self.LONG}", "shorter")

    def tearDown(self):
        self.pair.source(f"DROP TABLE `{self.LONG}`")
        self.pair.warehouse(f"DELETE FROM etl_sync.name_map WHERE job = '{self.pair.name}'",
                            "DROP TABLE short")

    def record(self, *names):
        """One row of the map."""
        self.pair.pg.execute("INSERT INTO etl_sync.name_map VALUES (%s, %s, %s, %s)",
                             (self.pair.name, *names))

    def test_recorded_names_are_used(self):
        _, report = self.equal()
        self.assertEqual((report["rows_compared"], report["only_in_warehouse"]), (1, []))
        self.pair.warehouse("UPDATE short SET shorter = 3")
        self.assertEqual(self.different()[1]["by_table"][0]["columns"], {f"c{self.LONG}": 1})

    def test_another_job_is_another_map(self):
        self.pair.warehouse("UPDATE etl_sync.name_map SET job = 'another'"
                            f" WHERE job = '{self.pair.name}'")
        self.assertIn("name not checked: over 63 bytes", self.different()[0])
        self.equal("--map", f"{self.LONG}=short", "--map", f"{self.LONG}.c{self.LONG}=shorter")
        self.pair.warehouse("DELETE FROM etl_sync.name_map WHERE job = 'another'")

    def test_names_that_lead_nowhere(self):
        self.record("gone", "", "nowhere")
        self.assertIn("gone is recorded as nowhere, which does not exist", self.different()[0])
        self.equal("--tables", self.LONG)

    def test_two_names_with_one_target(self):
        self.record("gone", "", "short")
        self.assertRegex(self.different()[0], "are both recorded as short")


class TableTypes(PairCase):
    """System-versioned tables are tables; views and sequences are not."""

    def test_system_versioned(self):
        if "MariaDB" not in self.pair.my.get_server_info():
            self.skipTest("MariaDB only")
        self.pair.source("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
                         "INSERT INTO t VALUES (1, 1), (2, 2)", "UPDATE t SET v = 20 WHERE id = 2",
                         "DELETE FROM t WHERE id = 1", "CREATE SEQUENCE s",
                         "CREATE VIEW w AS SELECT 1")
        self.pair.warehouse("CREATE TABLE t (id INT, v INT)", "INSERT INTO t VALUES (2, 20)")
        for form in (), ("--fast",):
            text, report = self.equal(*form)
            self.assertEqual((report["tables_compared"], report["rows_compared"]), (1, 1))
            self.assertEqual(report["source_not_tables"], ["s", "w"])
        self.pair.warehouse("UPDATE t SET v = 2")
        self.different()


class Forms(unittest.TestCase):
    """The type rules and the packet reader on their own."""

    def test_interval(self):
        form = forms.interval_form
        self.assertEqual(form(b"-00:20:38"), b"-1238000000 us")
        self.assertEqual(form(b"1 day 02:00:00"), form(b"26:00:00"))
        self.assertEqual(form(b"-1 days -02:00:00.5"), form(b"-26:00:00.500000"))
        self.assertEqual(form(b"1 mon"), b"1 mon")
        self.assertNotEqual(form(b"00:00:00.000001"), form(b"00:00:00"))

    def test_json(self):
        form = forms.json_form
        self.assertEqual(form(b'{"a":1,"a":2}'), form(b'{"a": 2.0}'))
        self.assertEqual(form(b"[1e2, -0]"), form(b"[100.00, 0]"))
        self.assertEqual(form(b'"\\u00e9"'), form('"é"'.encode()))
        for a, b in ((b"1", b"true"), (b"1", b'"1"'), (b"null", b'"null"'), (b"[]", b"{}"),
                     (b"9007199254740993", b"9007199254740992"), (b"10", b"1"),
                     (b"[1,2]", b"[2,1]"), (b"0.1", b"0.10000000000000001")):
            self.assertNotEqual(form(a), form(b))
        for broken in b"{", b"NaN", b"\xff", b"[" * 100_000, b"1e99999999999999999999":
            form(broken)

    def test_dates(self):
        form = limits.date_form()
        self.assertEqual(form(b"2024-02-29 00:00:00.500000"), b"2024-02-29 00:00:00.5")
        self.assertEqual(form(b"2024-02-29 00:00:00.000000"), b"2024-02-29 00:00:00")
        for bad in b"0000-00-00", b"2000-01-00", b"0000-01-01", b"2024-02-30":
            self.assertEqual(form(bad).kinds, (policy.ZERO_DATES,))

    def test_missing_driver(self):
        done = subprocess.run(["/usr/bin/python3", "-S", SCRIPT, "--help"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"install: python3-pymysql python3-psycopg", done.stdout)

    def test_escaping(self):
        every = bytes(range(256))
        self.assertEqual(copy_text.unescape(copy_text.escape(every)), every)
        self.assertNotEqual(copy_text.escape(b"\\N"), copy_text.NULL)

    def test_urls(self):
        at = connect.parse_url("postgresql://us%40er:p%2F%3A@%2Ftmp%2FS/db?sslmode=require", "x",
                             ("postgresql",))
        self.assertEqual((at["user"], at["password"], at["host"], at["port"], at["query"]),
                         ("us@er", "p/:", "/tmp/S", None, {"sslmode": "require"}))
        at = connect.parse_url("mysql://u:p@[::1]:33/d?socket=/a/b.sock", "x", ("mysql",))
        self.assertEqual((at["host"], at["port"], at["database"], at["query"]["socket"]),
                         ("::1", 33, "d", "/a/b.sock"))

    def packets(self, stream):
        """Run the packet reader over prepared bytes."""
        class Head:
            unbuffered_active = False

            def __init__(self, _):
                pass

            def init_unbuffered_query(self):
                """Nothing to read: the stream starts with the rows."""

        class Connection:
            _rfile = io.BufferedReader(io.BytesIO(stream))

            def _execute_command(self, *_):
                """Nothing to send."""
        kept, streams.MySQLResult = streams.MySQLResult, Head
        self.addCleanup(setattr, streams, "MySQLResult", kept)
        return list(streams.source_packets(Connection(), "q"))

    def test_packets(self):
        def packet(data):
            return len(data).to_bytes(3, "little") + b"\1" + data

        eof = packet(b"\xfe\0\0\0\0")
        big = b"\xfe" + (0xFFFFFF + 10).to_bytes(8, "little") + b"z" * (0xFFFFFF + 10)
        whole = packet(big[:0xFFFFFF]) + packet(big[0xFFFFFF:])
        self.assertEqual(self.packets(packet(b"\1a") + whole + packet(b"\xfb") + eof),
                         [b"\1a", big, b"\xfb"])
        self.assertEqual(streams.split_packet(big, 1), ([big[9:]], 0))
        exact = big[:0xFFFFFF]
        self.assertEqual(self.packets(packet(exact) + packet(b"") + eof), [exact])
        with self.assertRaises(copy_text.JudgeError):
            self.packets(packet(b"\1a") + packet(b"\1b"))
        with self.assertRaises(copy_text.JudgeError):
            self.packets(packet(b"\1a") + whole[:-5])
        with self.assertRaises(pymysql.MySQLError):
            self.packets(packet(b"\1a") + packet(b"\xff\x25\x05#70100Query was interrupted"))


if __name__ == "__main__":
    unittest.main()
