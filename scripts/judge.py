#!/usr/bin/python3
"""Independent judge: are a MySQL/MariaDB database and its PostgreSQL copy equal, row for row?

    judge.py --source mysql://user:pw@host:port/db --warehouse postgresql://... --schema raw
             [--tables a b] [--map old=new] [--json FILE] [--jobs N] [--show-keys]

It shares nothing with etl-sync: it has its own drivers (PyMySQL, psycopg 3), takes the list of
tables from the source's information_schema, and has its own type rules. Both servers' rows are
brought to one form, the text of PostgreSQL's COPY, and compared

  merge     integer and date keys sort alike on both servers: two ordered streams side by side;
  key hash  other keys: both sides are split into temporary files by a hash of the key, then
            compared file by file, so memory does not grow with the table;
  row hash  no primary key: the same by a hash of the whole row, as multisets.

Exit status: 0 equal; 1 different, or nothing was compared, or not everything could be compared;
2 usage, connection or read error. Key values are printed only with --show-keys and cell values
only with --show-values.

Consistency: one REPEATABLE READ snapshot of the warehouse for all processes, one consistent
snapshot of the source per process (--jobs 1: a single one). Tables without transactions
(MyISAM) have no snapshot: compare them while nobody writes.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import datetime
import decimal
import ipaddress
import json
import multiprocessing
import os
import re
import ssl
import struct
import sys
import tempfile
import time
import zlib
from hashlib import blake2b
from urllib.parse import parse_qsl, unquote

MISSING_DRIVERS = []
try:
    import pymysql
    from pymysql.connections import MySQLResult
    from pymysql.constants import COMMAND
except ImportError:
    MISSING_DRIVERS.append("python3-pymysql")
try:
    import psycopg
    from psycopg.pq import DiagnosticField, ExecStatus
except ImportError:
    MISSING_DRIVERS.append("python3-psycopg")

BLOCK_ROWS = 2000          # rows compared at a time by a merge
BLOCK_BYTES = 1 << 20      # ... or bytes, whichever comes first
PARTITION_ROWS = 50_000    # rows per temporary file
MAX_PARTITIONS = 400       # stays below the usual limit of 1024 open files
LONG_CELL = 64             # longer cells are kept as a 128 bit digest in temporary files
SAMPLES = 5
TAB = b"\t"
# NULL in COPY text. Cells of a source row are told apart from data that spells \N by identity.
NULL = b"\\N"


class JudgeError(Exception):
    """A problem that is told in one line and ends with exit status 2."""


class OutOfOrder(Exception):
    """The two servers did not sort a key alike: compare by key hash instead."""


# --- COPY text ----------------------------------------------------------------------------

ESCAPES = {b"\\": b"\\\\", b"\b": b"\\b", TAB: b"\\t", b"\n": b"\\n", b"\v": b"\\v",
           b"\f": b"\\f", b"\r": b"\\r"}
UNESCAPES = {escaped[1:]: plain for plain, escaped in ESCAPES.items()}
SPECIAL = re.compile(rb"[\\\x08-\x0d]")
ESCAPED = re.compile(rb"\\(.)", re.S)
LONG = re.compile(rb"[^\t]{%d,}" % (LONG_CELL + 1))


def escape(cell):
    """A cell as COPY text prints it."""
    return SPECIAL.sub(lambda m: ESCAPES[m.group()], cell)


def unescape(cell):
    """The bytes behind a cell of COPY text, None for NULL."""
    if cell == NULL:
        return None
    if b"\\" not in cell:
        return cell
    return ESCAPED.sub(lambda m: UNESCAPES.get(m.group(1), m.group(1)), cell)


def digest_long(line):
    """Replace long cells by length and digest; `\\D` cannot be data (a backslash is doubled)."""
    if len(line) <= LONG_CELL:
        return line
    return LONG.sub(lambda m: b"\\D%d:%s" % (
        len(m.group()), blake2b(m.group(), digest_size=16).hexdigest().encode()), line)


# --- type rules ---------------------------------------------------------------------------

INTS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
DATES = {"date", "datetime", "timestamp"}
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
SPATIAL = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
           "multipolygon", "geometrycollection", "geomcollection"}
PG_INTS = {"int2", "int4", "int8", "numeric"}
PG_DATES = {"date", "timestamp", "timestamptz"}
PG_JSON = {"json", "jsonb"}
INTERVAL = re.compile(rb"(?:([+-]?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


@dataclasses.dataclass
class Rule:
    """How one column is read and compared.

    `now` runs on every source cell and makes it equal to PostgreSQL's text in all usual cases.
    `late_source` and `late_target` give the final form; they run when the texts differ, and on
    every cell where rows are hashed. Equal texts always mean equal values.
    """
    source_sql: str = "{}"
    target_sql: str = "{}"
    now: object = None
    late_source: object = None
    late_target: object = None

    def full_source(self):
        """`now` and `late_source` in one function, or None."""
        now, late = self.now, self.late_source
        if not (now and late):
            return now or late

        def both(cell):
            value = now(cell)
            return value if value is NULL else late(value)
        return both


def date_form(zero_dates, strict):
    """Cut trailing zeros of the fraction; a date that PostgreSQL cannot hold becomes NULL."""
    known = {}

    def valid(day):
        try:
            datetime.date(int(day[:4]), int(day[5:7]), int(day[8:10]))
            return True
        except ValueError:
            return False

    def form(cell):
        day = cell[:10]
        if day not in known:
            if len(known) > 100_000:
                known.clear()
            known[day] = valid(day)
        if not known[day] and not strict:
            zero_dates[0] += 1
            return NULL
        return cell.rstrip(b"0").rstrip(b".") if len(cell) > 19 else cell
    return form


def cut_fraction(cell):
    """12:00:00.500 -> 12:00:00.5"""
    return cell.rstrip(b"0").rstrip(b".") if b"." in cell else cell


def cut_zeros(cell):
    """Display zeros of YEAR and ZEROFILL columns: 00042 -> 42, 000.50 -> 0.50"""
    cut = cell.lstrip(b"0")
    return b"0" + cut if not cut or cut[:1] == b"." else cut


def interval_form(cell):
    """TIME or interval text -> microseconds; anything else (months, years) stays as it is."""
    match = INTERVAL.fullmatch(cell)
    if not match or not cell:
        return cell
    days, sign, hours, minutes, seconds, fraction = match.groups(b"0")
    micros = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000
    micros += int(fraction.ljust(6, b"0"))
    return b"%d us" % (int(days) * 86_400_000_000 + (-micros if sign == b"-" else micros))


def float_form(cell):
    """The exact double behind a number's text; -0 and 0 differ."""
    try:
        return repr(float(cell)).encode()
    except ValueError:
        return cell


def json_number(value):
    """One spelling per exact decimal value: 1.0, 1.00 and 10e-1 are all 1e0."""
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    cut = text.rstrip("0")
    if not cut:
        return "0"
    return f"{'-' if sign else ''}{cut}e{exponent + len(text) - len(cut)}"


def json_text(value):
    """Canonical text of parsed JSON: keys sorted, numbers by exact value."""
    if isinstance(value, decimal.Decimal):
        return json_number(value)
    if isinstance(value, dict):
        inner = (f"{json.dumps(k)}:{json_text(v)}" for k, v in sorted(value.items()))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value)


def refuse_constant(name):
    """NaN and Infinity are Python's own extension of JSON."""
    raise ValueError(name)


def json_form(cell):
    """Canonical JSON; the last of duplicate keys wins. Text that is not JSON stays."""
    try:
        text = cell.decode("utf-8", "surrogateescape")
        return json_text(json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal,
                                    parse_constant=refuse_constant)).encode()
    except (ValueError, ArithmeticError, RecursionError):
        return cell


def hex_form(cell):
    """Bytes as lower case hex, the text of encode(.., 'hex')."""
    return cell.hex().encode()


def ewkb_form(cell):
    """MySQL's 4 byte SRID + WKB as hex of EWKB; without SRID that is plain WKB."""
    srid, wkb = cell[:4], cell[4:]
    if srid != b"\0\0\0\0" and len(wkb) >= 5:
        order = "<" if wkb[0] == 1 else ">"
        kind, = struct.unpack_from(order + "I", wkb, 1)
        number, = struct.unpack("<I", srid)
        wkb = wkb[:1] + struct.pack(order + "II", kind | 0x20000000, number) + wkb[5:]
    return wkb.hex().encode()


def vector_form(cell):
    """Packed little-endian float4 as the text of a PostgreSQL array."""
    return b"{%s}" % b",".join(repr(v).encode() for v, in struct.iter_unpack("<f", cell))


def vector_text_form(cell):
    """{1.5,2} or [1.5,2] with every number in the form of `vector_form`."""
    return b"{%s}" % b",".join(map(float_form, cell.strip(b"{}[]").split(b",")))


def address_form(cell):
    """Any spelling of an IP address."""
    try:
        return ipaddress.ip_address(cell.decode("ascii")).packed.hex().encode()
    except ValueError:
        return cell


def uuid_form(cell):
    """UUID without case and hyphens."""
    return cell.lower().replace(b"-", b"")


def bit_form(column_type, pg):
    """BIT(n) arrives as big-endian bytes; the form depends on what it became."""
    width = int((re.search(r"\((\d+)\)", column_type) or [0, 1])[1])
    if pg in ("bit", "varbit"):
        return lambda cell: format(int.from_bytes(cell, "big"), f"0{width}b").encode()
    if pg == "bytea":
        return hex_form
    return lambda cell: b"%d" % int.from_bytes(cell, "big")


def bytes_rule(form, pg):
    """Binary data against bytea, uuid, PostGIS or text."""
    if pg == "bytea":
        sql = "encode({}, 'hex')"
    elif pg == "uuid":
        sql = "replace({}::text, '-', '')"
    elif pg in ("geometry", "geography"):
        sql = "lower({}::text)"
    else:
        sql = "encode(convert_to({}::text, 'UTF8'), 'hex')"
    return Rule(target_sql=sql, now=form)


def number_rule(kind, column_type, pg):
    """Integers, DECIMAL, YEAR, FLOAT and DOUBLE; None for other types."""
    if kind in ("float", "double"):
        # Plain FLOAT and (M,D) columns are rounded for display; * 1e0 gives the stored value.
        shown = kind == "float" or "(" in column_type
        return Rule(source_sql="{} * 1e0" if shown else "{}",
                    target_sql="{}::float8" if pg == "float4" else "{}",
                    late_source=float_form, late_target=float_form)
    if kind in INTS or kind in ("decimal", "year"):
        padded = "zerofill" in column_type or (kind == "year" and pg in PG_INTS)
        return Rule(target_sql="{}::int" if pg == "bool" else "{}",
                    now=cut_zeros if padded else None)
    return None


def time_rule(kind, pg, zero_dates, strict):
    """DATE, DATETIME, TIMESTAMP and TIME; None for other types."""
    if kind in DATES and pg in PG_DATES:
        sql = "{} AT TIME ZONE 'UTC'" if pg == "timestamptz" else "{}"
        return Rule(target_sql=sql, now=date_form(zero_dates, strict))
    if kind == "time" and pg in ("interval", "time"):
        return Rule(now=cut_fraction, late_source=interval_form, late_target=interval_form)
    return None


def rule_for(kind, column_type, pg, zero_dates, strict):
    """The rule for a source type (DATA_TYPE, COLUMN_TYPE) and a PostgreSQL type name."""
    rule = number_rule(kind, column_type, pg) or time_rule(kind, pg, zero_dates, strict)
    if rule:
        return rule
    if kind == "bit":
        sql = {"bool": "{}::int", "bytea": "encode({}, 'hex')"}.get(pg, "{}")
        return Rule(target_sql=sql, now=bit_form(column_type, pg))
    if kind in BYTES:
        return bytes_rule(hex_form, pg)
    if kind in SPATIAL:
        return bytes_rule(ewkb_form, pg)
    if kind == "vector":
        sql = "{}::float8[]" if pg == "_float4" else "{}"
        return Rule(target_sql=sql, now=vector_form, late_target=vector_text_form)
    if kind == "json" or pg in PG_JSON:
        return Rule(late_source=json_form, late_target=json_form)
    if pg == "inet":
        return Rule(late_source=address_form, late_target=address_form)
    if pg == "uuid":
        return Rule(late_source=uuid_form, late_target=uuid_form)
    if pg == "bytea":  # text kept as bytes
        return bytes_rule(hex_form, pg)
    return Rule()


# --- connections --------------------------------------------------------------------------

def parse_url(url, what, schemes):
    """Split a URL into a dict; the URL itself never appears in an error."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in schemes:
        raise JudgeError(f"{what}: expected {schemes[0]}://user:password@host:port/database")
    login, _, rest = rest.rpartition("@")
    rest, _, query = rest.partition("?")
    address, _, database = rest.partition("/")
    user, _, password = login.partition(":")
    match = re.fullmatch(r"\[(.*)\](?::(\d*))?|([^:]*)(?::(\d*))?", address)
    if not match:
        raise JudgeError(f"{what}: cannot read host and port; percent-encode special characters")
    host, port = match[1] or match[3] or "", match[2] or match[4] or ""
    return {"user": unquote(user), "password": unquote(password), "host": unquote(host),
            "port": int(port) if port else None, "database": unquote(database),
            "query": dict(parse_qsl(query, keep_blank_values=True))}


def source_tls(query):
    """PyMySQL's TLS argument from ssl-mode and ssl-ca."""
    mode = query.get("ssl-mode", query.get("ssl_mode", "")).upper().replace("-", "_")
    ca = query.get("ssl-ca", query.get("ssl_ca"))
    if mode == "DISABLED" or not (ca or mode not in ("", "PREFERRED")):
        return {}
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if not ca and not mode.startswith("VERIFY"):
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def connect_source(url):
    """A source session in which no setting changes values or cuts rows, inside its snapshot."""
    at = parse_url(url, "source URL", ("mysql", "mariadb"))
    socket = at["query"].get("socket") or at["query"].get("unix_socket")
    if not at["database"]:
        raise JudgeError("source URL: the database is missing")
    try:
        tls = source_tls(at["query"])
        conn = pymysql.connect(
            user=at["user"], password=at["password"], host=at["host"] or "localhost",
            port=at["port"] or 3306, unix_socket=socket, database=at["database"],
            charset="utf8mb4", autocommit=True, local_infile=False, connect_timeout=10,
            read_timeout=3600, **tls)
        if tls and not isinstance(conn._sock, ssl.SSLSocket):  # PyMySQL falls back silently
            raise JudgeError("source: the server offers no TLS, but ssl-mode asks for it")
        with conn.cursor() as cur:
            cur.execute("SET SESSION sql_mode = '', time_zone = '+00:00', "
                        "sql_select_limit = DEFAULT, net_write_timeout = 3600")
            cur.execute("SET NAMES utf8mb4")
            cur.execute("SELECT VERSION()")
            limit = ("max_statement_time" if "mariadb" in cur.fetchone()[0].lower()
                     else "max_execution_time")
            cur.execute(f"SET SESSION {limit} = 0")
            cur.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cur.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return conn, at["database"]
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        raise JudgeError(f"source: {error_text(error)}") from None


PG_SETTINGS = """
SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET search_path = pg_catalog; SET row_security = off;
"""


def connect_warehouse(url, snapshot=None):
    """A read-only session in one snapshot: its own, or the one that `snapshot` names."""
    at = parse_url(url, "warehouse URL", ("postgresql", "postgres"))
    options = {"host": at["host"], "port": at["port"], "user": at["user"],
               "password": at["password"], "dbname": at["database"], "connect_timeout": 10}
    options = {name: value for name, value in options.items() if value}
    options.update(at["query"])
    try:
        conn = psycopg.connect(autocommit=True, **options)
        conn.execute(PG_SETTINGS)
        conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            conn.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        return conn
    except (psycopg.Error, OSError, ValueError) as error:
        raise JudgeError(f"warehouse: {error_text(error)}") from None


def error_text(error):
    """One line without DETAIL or CONTEXT, which carry row values."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if not primary and error.args and isinstance(error.args[0], int):
        primary = f"{error.args[-1]} ({error.args[0]})"
    text = primary or str(error) or type(error).__name__
    return text.strip().splitlines()[0]


# --- reading rows as COPY text ------------------------------------------------------------

def source_packets(conn, sql):
    """Yield the raw row packets of a query as they arrive.

    PyMySQL's SSCursor costs about 10 us a row in Python; only its row decoding is replaced.
    The end of the rows is the EOF packet and nothing else.
    """
    conn._execute_command(COMMAND.COM_QUERY, sql)
    head = MySQLResult(conn)
    try:
        head.init_unbuffered_query()
    finally:
        head.unbuffered_active = False  # else its destructor would read our rows
    stream, buffer, start, parts = conn._rfile, b"", 0, []
    while True:
        end = len(buffer)
        need = 0
        while end - start >= 4:
            size = int.from_bytes(buffer[start:start + 3], "little")
            stop = start + 4 + size
            if stop > end:
                need = stop - end
                break
            packet = buffer[start + 4:stop]
            start = stop
            if size == 0xFFFFFF or parts:  # a row of 16 MB or more comes in several packets
                parts.append(packet)
                if size == 0xFFFFFF:
                    continue
                packet, parts = b"".join(parts), []
            elif packet[0] == 0xFE and size < 9:
                return
            elif packet[0] == 0xFF:
                pymysql.err.raise_mysql_exception(packet)
            yield packet
        more = stream.read(need) if need > BLOCK_BYTES else stream.read1(BLOCK_BYTES)
        if not more:
            raise JudgeError("source: connection lost in the middle of the rows")
        buffer, start = buffer[start:] + more, 0


def split_packet(packet, width):
    """The cells of a row packet (length-encoded strings) and how many of them are NULL."""
    cells, nulls, at = [], 0, 0
    add = cells.append
    for _ in range(width):
        size = packet[at]
        at += 1
        if size > 250:
            if size == 251:
                add(NULL)
                nulls += 1
                continue
            extra = 2 if size == 252 else 3 if size == 253 else 8
            size = int.from_bytes(packet[at:at + extra], "little")
            at += extra
        stop = at + size
        add(packet[at:stop])
        at = stop
    return cells, nulls


def join_rows(rows, nulls, width):
    """Rows of cells -> COPY lines. Cells are escaped only if the block holds anything to escape."""
    lines = list(map(TAB.join, rows))
    text = b"\n".join(lines)
    clean = (text.count(TAB) == len(rows) * (width - 1) and text.count(b"\n") == len(rows) - 1
             and text.count(b"\\") == nulls
             and not any(c in text for c in (b"\r", b"\b", b"\v", b"\f")))
    if clean:
        return lines
    return [TAB.join([c if c is NULL else escape(c) for c in cells]) for cells in rows]


def source_blocks(conn, sql, width, forms):
    """Yield lists of COPY lines; `forms` are (position, function) applied to non-NULL cells."""
    rows, nulls, size = [], 0, 0
    for packet in source_packets(conn, sql):
        cells, count = split_packet(packet, width)
        for i, form in forms:
            cell = cells[i]
            if cell is not NULL:
                cell = cells[i] = form(cell)
                if cell is NULL:
                    count += 1
        nulls += count
        rows.append(cells)
        size += len(packet)
        if len(rows) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield join_rows(rows, nulls, width)
            rows, nulls, size = [], 0, 0
    if rows:
        yield join_rows(rows, nulls, width)


class WarehouseRows:
    """COPY (query) TO STDOUT, read in pieces of any size."""

    def __init__(self, conn, sql, forms=()):
        self.pgconn = conn.pgconn
        self.forms = forms
        self.open = True
        result = self.pgconn.exec_(f"COPY ({sql}) TO STDOUT".encode())
        if result.status != ExecStatus.COPY_OUT:
            self.fail(result)

    def fail(self, result):
        """Raise the server's primary message only."""
        text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        raise JudgeError(f"warehouse: {text.decode('utf-8', 'replace').strip()}")

    def finish(self):
        """After the last row the server says whether it really was the last."""
        self.open = False
        while True:
            result = self.pgconn.get_result()
            if result is None:
                return
            if result.status != ExecStatus.COMMAND_OK:
                self.fail(result)

    def read(self, count):
        """Up to `count` lines; fewer at the end or when they are big; none after the end."""
        pieces, size = [], 0
        get, add = self.pgconn.get_copy_data, pieces.append
        while count > 0 and self.open and size < 4 * BLOCK_BYTES:
            length, data = get(0)
            if length < 0:
                self.finish()
                break
            add(data)
            size += length
            count -= 1
        # Every piece is one line; line ends inside of values are escaped.
        lines = b"".join(pieces).split(b"\n")
        del lines[-1]
        return [self.final(line) for line in lines] if self.forms else lines

    def final(self, line):
        """Apply the forms to one line."""
        cells = line.split(TAB)
        for i, form in self.forms:
            if cells[i] != NULL:
                cells[i] = escape(form(unescape(cells[i])))
        return TAB.join(cells)


# --- catalogs -----------------------------------------------------------------------------

@dataclasses.dataclass
class Column:
    """A column on both sides; `pg` is the PostgreSQL type's name."""
    name: str
    target: str
    kind: str
    column_type: str
    pg: str


@dataclasses.dataclass
class Job:
    """One table to compare, key columns first."""
    name: str
    target: str
    columns: list
    keys: int = 0
    size: int = 0
    problems: list = dataclasses.field(default_factory=list)
    unchecked: bool = False


@dataclasses.dataclass
class Outcome:
    """What was found in one table."""
    name: str
    status: str = "equal"
    how: str = ""
    source_rows: int = 0
    warehouse_rows: int = 0
    compared: int = 0
    missing: int = 0
    extra: int = 0
    changed: int = 0
    columns: dict = dataclasses.field(default_factory=collections.Counter)
    zero_dates: int = 0
    problems: list = dataclasses.field(default_factory=list)
    samples: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def differences(self):
        """Rows that differ in any way."""
        return self.missing + self.extra + self.changed

    def sample(self, kind, key, cells=None):
        """Keep a few examples; what is printed of them is decided by the report."""
        if len(self.samples) < SAMPLES:
            self.samples.append((kind, key, cells))


def source_catalog(conn, database):
    """{table: (columns [(name, kind, column_type)], key names, estimated bytes)} and other objects."""
    with conn.cursor() as cur:
        cur.execute("SELECT TABLE_NAME, TABLE_TYPE, COALESCE(DATA_LENGTH, 0) FROM"
                    " information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,))
        listed = cur.fetchall()
        cur.execute("SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM"
                    " information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
                    " ORDER BY TABLE_NAME, ORDINAL_POSITION", (database,))
        columns = cur.fetchall()
        cur.execute("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS"
                    " WHERE TABLE_SCHEMA = %s AND INDEX_NAME = 'PRIMARY'"
                    " ORDER BY TABLE_NAME, SEQ_IN_INDEX", (database,))
        keys = cur.fetchall()
    tables = {name: ([], [], int(size)) for name, kind, size in listed if kind == "BASE TABLE"}
    others = sorted(name for name, kind, _ in listed if kind != "BASE TABLE")
    for table, name, kind, column_type in columns:
        if table in tables:
            tables[table][0].append((name, kind.lower(), column_type.lower()))
    for table, name in keys:
        if table in tables:
            tables[table][1].append(name)
    return tables, others


def warehouse_catalog(conn, schema):
    """{table: {column: type name}}; a domain counts as its base type."""
    rows = conn.execute("""
        SELECT c.relname, a.attname, coalesce(b.typname, t.typname)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
         WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
         ORDER BY 1, a.attnum""", (schema,)).fetchall()
    tables = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})
        if column:
            tables[table][column] = kind
    return tables


def too_long(name):
    """PostgreSQL cuts names after 63 bytes."""
    return len(name.encode()) > 63


def plan_table(name, entry, targets, renames, extra_columns_ok):
    """Match one source table with its target by names."""
    columns, keys, size = entry
    job = Job(name, renames.get(name, name), [], size=size)
    if too_long(job.target):
        job.problems.append("name not checked: over 63 bytes (use --map)")
        job.unchecked = True
        return job
    target = targets.get(job.target)
    if target is None:
        job.problems.append("table missing in the warehouse")
        return job
    seen = set()
    for column, kind, column_type in columns:
        wanted = renames.get(f"{name}.{column}", column)
        if too_long(wanted):
            job.problems.append(f"column name not checked: over 63 bytes: {column} (use --map)")
        elif wanted not in target:
            job.problems.append(f"column missing in the warehouse: {wanted}")
        else:
            job.columns.append(Column(column, wanted, kind, column_type, target[wanted]))
            seen.add(wanted)
    surplus = sorted(set(target) - seen)
    if surplus and not extra_columns_ok:
        job.problems.append("columns only in the warehouse: " + ", ".join(surplus))
    if not job.columns:
        job.problems.append("no column in common")
    names = [column.name for column in job.columns]
    if keys and all(key in names for key in keys):
        job.columns.sort(key=lambda c: keys.index(c.name) if c.name in keys else len(keys))
        job.keys = len(keys)
    return job


# --- comparing one table ------------------------------------------------------------------

def quote_source(name):
    """`name` for MySQL."""
    return "`" + name.replace("`", "``") + "`"


def quote_target(name):
    """"name" for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


class TableJudge:
    """Compares one table over two open sessions."""

    def __init__(self, source, warehouse, job, options):
        self.source, self.warehouse = source, warehouse
        self.job, self.options = job, options
        self.found = Outcome(job.name, problems=list(job.problems))
        self.zero_dates = [0]
        strict = options["zero_dates"] == "strict"
        self.rules = [rule_for(c.kind, c.column_type, c.pg, self.zero_dates, strict)
                      for c in job.columns]
        self.source_from = f"{quote_source(options['database'])}.{quote_source(job.name)}"
        self.target_from = f"{quote_target(options['schema'])}.{quote_target(job.target)}"

    def run(self):
        """Count, compare, conclude."""
        found = self.found
        with self.source.cursor() as cur:
            cur.execute(f"SELECT COUNT(*) FROM {self.source_from}")
            found.source_rows = cur.fetchone()[0]
        count = f"SELECT count(*) FROM {self.target_from}"
        found.warehouse_rows = self.warehouse.execute(count).fetchone()[0]
        if self.ordered():
            try:
                self.merge()
            except OutOfOrder:
                self.found = found = Outcome(
                    self.job.name, problems=list(self.job.problems),
                    source_rows=found.source_rows, warehouse_rows=found.warehouse_rows)
                self.zero_dates[0] = 0
                self.by_hash()
        else:
            self.by_hash()
        found.zero_dates = self.zero_dates[0]
        if found.compared + found.missing != found.source_rows:
            found.problems.append(f"COUNT(*) of the source is {found.source_rows}, but "
                                  f"{found.compared + found.missing} rows were read")
        if found.compared + found.extra != found.warehouse_rows:
            found.problems.append(f"count(*) of the warehouse is {found.warehouse_rows}, but "
                                  f"{found.compared + found.extra} rows were read")
        return found

    def ordered(self):
        """Do both servers sort this key alike?"""
        keys = self.job.columns[:self.job.keys]
        return bool(keys) and all(
            c.kind in INTS and c.pg in PG_INTS or c.kind in DATES and c.pg in PG_DATES for c in keys)

    def queries(self, ordered):
        """The SELECTs of both sides: same columns, same order, no filter."""
        columns = self.job.columns
        mine = [r.source_sql.format(quote_source(c.name)) for c, r in zip(columns, self.rules)]
        theirs = [r.target_sql.format(quote_target(c.target)) for c, r in zip(columns, self.rules)]
        source = f"SELECT {', '.join(mine)} FROM {self.source_from}"
        target = f"SELECT {', '.join(theirs)} FROM {self.target_from}"
        if ordered:
            keys = columns[:self.job.keys]
            source += " ORDER BY " + ", ".join(quote_source(c.name) for c in keys)
            # Qualified: a bare name would mean the output column, converted to text or not.
            target += " ORDER BY " + ", ".join(
                f"{quote_target(self.job.target)}.{quote_target(c.target)}" for c in keys)
        return source, target

    # -- merge --

    def merge(self):
        """Two ordered streams; equal blocks are compared as lists, others row by row."""
        self.found.how = "merge"
        source_sql, target_sql = self.queries(ordered=True)
        forms = [(i, r.now) for i, r in enumerate(self.rules) if r.now]
        blocks = source_blocks(self.source, source_sql, len(self.rules), forms)
        rows = WarehouseRows(self.warehouse, target_sql)
        self.last_key = None
        mine, theirs = [], []
        try:
            while True:
                mine = mine or next(blocks, [])
                want = (len(mine) or BLOCK_ROWS) - len(theirs)
                theirs = theirs + rows.read(want)
                if not mine and not theirs:
                    return
                if mine == theirs:
                    self.found.compared += len(mine)
                    mine, theirs = [], []
                else:
                    mine, theirs = self.merge_rows(mine, theirs)
        except OutOfOrder:  # both connections go on: read the rest away
            collections.deque(blocks, maxlen=0)
            while rows.read(BLOCK_ROWS):
                pass
            raise

    def merge_rows(self, mine, theirs):
        """Compare two unequal blocks by key; return what is left of either."""
        found = self.found
        if not theirs:
            for line in mine:
                found.missing += 1
                found.sample("missing", self.key_cells(line))
            return [], []
        if not mine:
            for line in theirs:
                found.extra += 1
                found.sample("extra", self.key_cells(line))
            return [], []
        i = j = 0
        while i < len(mine) and j < len(theirs):
            if mine[i] == theirs[j]:
                found.compared += 1
                i, j = i + 1, j + 1
                continue
            key, other = self.sort_key(mine[i]), self.sort_key(theirs[j])
            if self.last_key is not None and min(key, other) < self.last_key:
                raise OutOfOrder
            self.last_key = min(key, other)
            if key == other:
                found.compared += 1
                self.compare_cells(mine[i], theirs[j])
                i, j = i + 1, j + 1
            elif key < other:
                found.missing += 1
                found.sample("missing", self.key_cells(mine[i]))
                i += 1
            else:
                found.extra += 1
                found.sample("extra", self.key_cells(theirs[j]))
                j += 1
        return mine[i:], theirs[j:]

    def sort_key(self, line):
        """The key in a form that Python orders as the servers do."""
        cells = line.split(TAB, self.job.keys)[:self.job.keys]
        if NULL in cells:
            raise OutOfOrder
        return tuple(int(cell) if column.kind in INTS else cell
                     for cell, column in zip(cells, self.job.columns))

    def key_cells(self, line):
        """Key values for a sample; the whole row has no place there."""
        return [unescape(cell) for cell in line.split(TAB, self.job.keys)[:self.job.keys]]

    def compare_cells(self, mine, theirs):
        """Two rows with one key: which columns differ by value?"""
        differing = {}
        pairs = zip(self.job.columns, self.rules, mine.split(TAB), theirs.split(TAB))
        for column, rule, a, b in pairs:
            if a == b:
                continue
            a, b = unescape(a), unescape(b)
            if a is not None and b is not None:
                left = rule.late_source(a) if rule.late_source else a
                right = rule.late_target(b) if rule.late_target else b
                if left == right:
                    continue
            differing[column.name] = (a, b)
        if differing:
            self.found.changed += 1
            self.found.columns.update(differing.keys())
            self.found.sample("changed", self.key_cells(mine), differing)

    # -- by hash --

    def by_hash(self):
        """Split both sides into the same partitions, then compare each in memory."""
        self.found.how = "key hash" if self.job.keys else "row hash"
        source_sql, target_sql = self.queries(ordered=False)
        mine = [(i, f) for i, r in enumerate(self.rules) if (f := r.full_source())]
        theirs = [(i, r.late_target) for i, r in enumerate(self.rules) if r.late_target]
        rows = max(self.found.source_rows, self.found.warehouse_rows)
        parts = min(MAX_PARTITIONS, rows // PARTITION_ROWS + 1)
        with tempfile.TemporaryDirectory(prefix="judge-", dir=self.options["tmp"]) as folder:
            blocks = source_blocks(self.source, source_sql, len(self.rules), mine)
            self.partition(blocks, parts, os.path.join(folder, "source"))
            reader = WarehouseRows(self.warehouse, target_sql, theirs)
            self.partition(iter(lambda: reader.read(BLOCK_ROWS), []), parts,
                           os.path.join(folder, "warehouse"))
            for part in range(parts):
                self.compare_partition(*(read_lines(os.path.join(folder, f"{side}{part}"))
                                         for side in ("source", "warehouse")))

    def partition(self, blocks, parts, path):
        """Write lines to `path`0..n by the hash of the key, or of the whole row."""
        keys, crc32 = self.job.keys, zlib.crc32
        files = [open(f"{path}{part}", "wb", buffering=65536) for part in range(parts)]
        try:
            for block in blocks:
                for line in block:
                    if keys == 1:
                        key, tab, rest = line.partition(TAB)
                        line = key + tab + digest_long(rest)
                    elif keys:
                        cells = line.split(TAB, keys)
                        key = TAB.join(cells[:keys])
                        line = TAB.join(cells[:keys] + [digest_long(c) for c in cells[keys:]])
                    else:
                        key = line = digest_long(line)
                    files[crc32(key) % parts].write(line + b"\n")
        finally:
            for file in files:
                file.close()

    def compare_partition(self, mine, theirs):
        """Multiset difference; what is left of both sides is matched by key."""
        found = self.found
        left, right = collections.Counter(mine), collections.Counter(theirs)
        if left == right:
            found.compared += len(mine)
            return
        only_left = list((left - right).elements())
        only_right = list((right - left).elements())
        found.compared += len(mine) - len(only_left)
        waiting = collections.defaultdict(list)
        for line in only_right:
            waiting[tuple(line.split(TAB)[:self.job.keys])].append(line)
        for line in only_left:
            same_key = waiting.get(tuple(line.split(TAB)[:self.job.keys]))
            if self.job.keys and same_key:
                found.compared += 1
                self.compare_cells(line, same_key.pop())
            else:
                found.missing += 1
                found.sample("missing", self.key_cells(line))
        for lines in waiting.values():
            for line in lines:
                found.extra += 1
                found.sample("extra", self.key_cells(line))


def read_lines(path):
    """All lines of a partition without their ends."""
    with open(path, "rb") as file:
        return file.read().split(b"\n")[:-1]


# --- processes ----------------------------------------------------------------------------

class Worker:
    """One process's two sessions, opened when needed and thrown away after an error."""

    def __init__(self, options):
        self.options = options
        self.sessions = None

    def open(self):
        """Both sessions, each in its snapshot."""
        if not self.sessions:
            source, _ = connect_source(self.options["source"])
            self.sessions = source, connect_warehouse(self.options["warehouse"],
                                                      self.options["snapshot"])
        return self.sessions

    def judge(self, job):
        """Never raises for a table: what went wrong is its outcome."""
        start = time.monotonic()
        try:
            outcome = TableJudge(*self.open(), job, self.options).run()
            if outcome.differences() or outcome.problems:
                outcome.status = "different"
        except (JudgeError, pymysql.MySQLError, psycopg.Error, OSError) as error:
            self.close()
            text = error_text(error)
            outcome = Outcome(job.name, "error", problems=list(job.problems) + [text])
        outcome.seconds = round(time.monotonic() - start, 3)
        return outcome

    def close(self):
        """Close without reading half-read results to their end."""
        if self.sessions:
            self.sessions[0]._force_close()
            self.sessions[1].close()
            self.sessions = None


WORKER = None


def start_worker(options):
    """Initializer of a child process: take the snapshots at once, not at the first table."""
    global WORKER
    WORKER = Worker(options)
    try:
        WORKER.open()
    except JudgeError:
        pass  # told again, with a table's name, when the worker gets one


def judge_in_child(job):
    """Entry point in a child process."""
    return WORKER.judge(job)


def judge_all(jobs, options, count, tell):
    """Compare all tables, biggest first; `tell` gets every outcome as it comes."""
    jobs = sorted(jobs, key=lambda job: -job.size)
    if count <= 1 or len(jobs) <= 1:
        worker = Worker(options)
        outcomes = [tell(worker.judge(job)) for job in jobs]
        worker.close()
        return outcomes
    context = multiprocessing.get_context("spawn")  # no shared sockets
    with concurrent.futures.ProcessPoolExecutor(
            min(count, len(jobs)), context, start_worker, (options,)) as pool:
        futures = [pool.submit(judge_in_child, job) for job in jobs]
        try:
            return [tell(done.result()) for done in concurrent.futures.as_completed(futures)]
        except concurrent.futures.process.BrokenProcessPool:
            raise JudgeError("a comparing process died (out of memory?)") from None


# --- report -------------------------------------------------------------------------------

def show(value):
    """A value for people; invalid UTF-8 is shown as \\xNN."""
    return "NULL" if value is None else repr(value.decode("utf-8", "backslashreplace"))


def print_outcome(outcome, show_keys, show_values):
    """One line per table, plus what was wrong with it."""
    line = (f"{outcome.status:<9}  {outcome.name}  source {outcome.source_rows}  "
            f"warehouse {outcome.warehouse_rows}  differences {outcome.differences()}")
    if outcome.differences():
        line += f" (missing {outcome.missing}, extra {outcome.extra}, changed {outcome.changed})"
    if outcome.columns:
        line += "  columns " + ", ".join(f"{n} {c}" for n, c in sorted(outcome.columns.items()))
    if outcome.zero_dates:
        line += f"  zero dates -> NULL: {outcome.zero_dates}"
    if outcome.how:
        line += f"  [{outcome.how}, {outcome.seconds:.1f} s]"
    print(line)
    for problem in outcome.problems:
        print(f"           {problem}")
    for kind, key, cells in outcome.samples if show_keys or show_values else ():
        print(f"           {kind} key ({', '.join(map(show, key)) or 'none'})")
        for name, (mine, theirs) in (cells or {}).items() if show_values else ():
            print(f"             {name}: {show(mine)} | {show(theirs)}")
    sys.stdout.flush()
    return outcome


def conclude(outcomes, allow_empty):
    """(exit status, word for it, totals)."""
    compared = [o for o in outcomes if o.how]
    total = {
        "tables": len(outcomes), "tables_compared": len(compared),
        "source_rows": sum(o.source_rows for o in outcomes),
        "warehouse_rows": sum(o.warehouse_rows for o in outcomes),
        "rows_compared": sum(o.compared for o in outcomes),
        "missing": sum(o.missing for o in outcomes),
        "extra": sum(o.extra for o in outcomes),
        "changed": sum(o.changed for o in outcomes),
        "zero_dates": sum(o.zero_dates for o in outcomes),
    }
    if any(o.status in ("different", "unchecked") for o in outcomes):
        return 1, "DIFFERENT", total
    if any(o.status == "error" for o in outcomes):
        return 2, "ERROR: not every table could be read", total
    if not compared or (total["rows_compared"] == 0 and not allow_empty):
        return 1, "NOTHING COMPARED", total
    if total["rows_compared"] < total["source_rows"]:
        return 1, "INCOMPLETE: fewer rows compared than the source has", total
    return 0, "EQUAL", total


def print_summary(word, total, outcomes, seconds):
    """The totals, the differing columns over all tables and the verdict."""
    rate = total["rows_compared"] / seconds if seconds else 0
    print(f"tables compared {total['tables_compared']} of {total['tables']}, "
          f"rows compared {total['rows_compared']} of {total['source_rows']} "
          f"in {seconds:.1f} s ({rate:.0f} rows/s)")
    print(f"rows missing {total['missing']}, extra {total['extra']}, changed {total['changed']}"
          + (f", zero dates -> NULL: {total['zero_dates']}" if total["zero_dates"] else ""))
    columns = [f"{o.name}.{name} {count}" for o in sorted(outcomes, key=lambda o: o.name)
               for name, count in sorted(o.columns.items())]
    if columns:
        print("columns that differ: " + ", ".join(columns))
    print(f"RESULT: {word}")


def write_json(path, status, word, total, outcomes, notes, args):
    """The same for machines; keys and values under the same two switches."""
    tables = []
    for outcome in sorted(outcomes, key=lambda o: o.name):
        entry = dataclasses.asdict(outcome)
        entry["columns"] = dict(outcome.columns)
        entry["samples"] = [
            {"kind": kind, "key": [show(k) for k in key],
             **({"cells": {n: [show(a), show(b)] for n, (a, b) in (cells or {}).items()}}
                if args.show_values else {})}
            for kind, key, cells in outcome.samples if args.show_keys or args.show_values]
        tables.append(entry)
    report = {"exit": status, "result": word, **total, **notes, "by_table": tables}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


# --- main ---------------------------------------------------------------------------------

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
    add("--zero-dates", choices=("null", "strict"), default="null",
        help="null: zero, partial and invalid dates must be NULL; strict: that is a difference")
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


def parse_renames(pairs):
    """['old=new', ..] -> dict; names may hold `=`, so the last one separates."""
    renames = {}
    for pair in pairs:
        old, found, new = pair.rpartition("=")
        if not found or not old or not new:
            raise JudgeError("--map: expected OLD=NEW")
        renames[old] = new
    return renames


def make_plan(args, source, database, warehouse):
    """Jobs of all wanted tables, and what else lies on both sides."""
    tables, others = source_catalog(source, database)
    targets = warehouse_catalog(warehouse, args.schema)
    renames = parse_renames(args.map)
    unknown = sorted(set(args.tables or ()) - set(tables))
    if unknown:
        raise JudgeError("not a base table of the source: " + ", ".join(unknown))
    wanted = args.tables or tables
    jobs = [plan_table(name, tables[name], targets, renames, args.allow_extra_columns)
            for name in sorted(set(wanted))]
    known = {renames.get(name, name) for name in tables}
    return jobs, {"only_in_warehouse": sorted(set(targets) - known), "source_not_tables": others}


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
                   "schema": args.schema, "snapshot": snapshot, "zero_dates": args.zero_dates,
                   "tmp": args.tmp}

        def tell(outcome):
            return print_outcome(outcome, args.show_keys, args.show_values)

        outcomes = [tell(Outcome(job.name, "unchecked" if job.unchecked else "different",
                                 problems=job.problems)) for job in jobs if not job.columns]
        outcomes += judge_all([job for job in jobs if job.columns], options, args.jobs, tell)
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
    """Exit status 0, 1 or 2; see the head of the file."""
    if MISSING_DRIVERS:
        print("judge: driver missing, install: " + " ".join(MISSING_DRIVERS), file=sys.stderr)
        return 2
    args = arguments(argv)
    try:
        return run(args)
    except (JudgeError, pymysql.MySQLError, psycopg.Error, OSError) as error:
        print(f"judge: {error_text(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("judge: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
