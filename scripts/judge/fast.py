"""The fast form: both servers digest their rows, the judge compares sums per key range.

Per range: COUNT(*), and sum and xor of the first 64 bits of the MD5 of every row. A row is
written alike on both servers: text as length and text, numbers and times up to a semicolon, NULL
as a mark that no value has. Equal texts always
mean equal values; where the servers spell a value differently the sums differ, and a range whose
sums differ is compared exactly. So this form may cost time, but it neither invents nor hides a
difference (but for two row sets with the same count, sum and xor).
"""
import concurrent.futures

from judge.catalog import quote_source, quote_target
from judge.compare import TableJudge
from judge.outcome import Outcome
from judge.rules import BYTES, DATES, INTS, PG_DATES, PG_INTS

PG_TEXT = {"text", "varchar"}
TEXTS = {"char", "varchar", "tinytext", "enum", "set"}
SAME_AS_UTF8 = {"utf8mb4", "utf8mb3", "utf8", "ascii"}
LONG_TEXTS = {"text", "mediumtext", "longtext", "json"}
PG_VERSION = 140000        # the first with bit_xor()
MAX_RANGES = 10_000
DIGESTS_KEPT = 1_000_000   # of a table without ranges, 8 bytes each in the source
GIVE_UP_AFTER = 3          # ranges that differ in spelling only, one after the other
ARGUMENTS = 90             # of a PostgreSQL function; it takes 100


# --- one text for both servers ------------------------------------------------------------

def cut_zeros_sql(sql):
    """MySQL: 10:00:00.500000 -> 10:00:00.5"""
    return f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {sql}))"


def number_texts(kind, column_type, pg):
    """Numbers, FLOAT and DOUBLE among them: both servers print the shortest exact text."""
    if kind in ("float", "double") and pg in ("float4", "float8"):
        shown = kind == "float" or "(" in column_type
        return "{0} * 1e0" if shown else "{0}", "{0}::float8::text"
    if kind in INTS or kind == "year":
        mine = "{0} + 0" if kind == "year" or "zerofill" in column_type else "{0}"
        if pg in PG_INTS:
            return mine, "{0}::text"
        if pg == "bool":
            return mine, "{0}::int::text"
    if kind == "decimal" and pg == "numeric":
        return "{0} + 0" if "zerofill" in column_type else "{0}", "{0}::text"
    if kind == "bit" and pg in ("int2", "int4", "int8", "numeric"):
        return "{0} + 0", "{0}::text"
    if kind == "bit" and pg == "bool":
        return "{0} + 0", "{0}::int::text"
    if kind == "bit" and pg == "bit":
        width = column_type.partition("(")[2].rstrip(")") or "1"
        return f"LPAD(BIN({{0}} + 0), {width}, '0')", "{0}::text"
    return None


def time_texts(kind, column_type, pg):
    """Dates and times; PostgreSQL prints no trailing zeros of a fraction."""
    mine = cut_zeros_sql("{0}") if "(" in column_type else "{0}"
    if kind in DATES and pg in PG_DATES:
        return mine, "({0} AT TIME ZONE 'UTC')::text" if pg == "timestamptz" else "{0}::text"
    if kind == "time" and pg in ("time", "interval"):
        return mine, "{0}::text"
    return None


def text_texts(column):
    """Text, bytes and UUIDs; long values are digested on their own."""
    kind, pg = column.kind, column.pg
    utf8 = "{0}" if column.charset in SAME_AS_UTF8 else "CONVERT({0} USING utf8mb4)"
    if kind in TEXTS and pg in PG_TEXT:
        return utf8, "{0}::text"
    if kind in LONG_TEXTS and (pg in PG_TEXT or pg == "json"):
        return f"CONCAT(LENGTH({utf8}), MD5({utf8}))", "octet_length({0}::text) || md5({0}::text)"
    if kind in BYTES and pg == "bytea":
        return "CONCAT(LENGTH({0}), MD5({0}))", "octet_length({0}) || md5({0})"
    if kind in BYTES and pg == "uuid":
        return "LOWER(HEX({0}))", "replace({0}::text, '-', '')"
    if kind in ("char", "varchar", "uuid") and pg == "uuid":
        return f"LOWER(REPLACE({utf8}, '-', ''))", "replace({0}::text, '-', '')"
    return None


def plain_texts(column):
    """Numbers and times, whose texts hold no semicolon and are never just an N."""
    return (number_texts(column.kind, column.column_type, column.pg)
            or time_texts(column.kind, column.column_type, column.pg))


def source_digest(columns):
    """The 64 bits of a source row; NULL if it is longer than max_allowed_packet."""
    cells = []
    for column in columns:
        name = quote_source(column.name)
        plain = plain_texts(column)
        text = (plain or text_texts(column))[0].format(name)
        cells += ([f"IFNULL({text}, 'N')", "';'"] if plain else
                  [f"IF({name} IS NULL, 'N', LENGTH({text}))", "':'",
                   f"IF({name} IS NULL, '', {text})"])
    return f"CAST(CONV(LEFT(MD5(CONCAT({', '.join(cells)})), 16), 16, 10) AS UNSIGNED)"


def target_digest(columns):
    """The 64 bits of a warehouse row, signed."""
    cells = []
    for column in columns:
        name = quote_target(column.target)
        plain = plain_texts(column)
        text = (plain or text_texts(column))[1].format(name)
        cells += ([f"coalesce({text}, 'N')", "';'"] if plain else
                  [f"coalesce(octet_length({text})::text, 'N')", "':'", text])
    while len(cells) > 1 or not cells[0].startswith("concat("):
        cells = [f"concat({', '.join(cells[i:i + ARGUMENTS])})"
                 for i in range(0, len(cells), ARGUMENTS)]
    return f"('x' || left(md5({cells[0]}), 16))::bit(64)::bigint"


def impossible(warehouse, job):
    """Why a table cannot be compared fast, or ''."""
    if warehouse.info.server_version < PG_VERSION:
        return "PostgreSQL before 14"
    if warehouse.info.parameter_status("server_encoding") != "UTF8":
        return "the warehouse is not UTF8"
    return ", ".join(f"{column.name} is {column.kind} -> {column.pg}"
                     for column in job.columns
                     if not (plain_texts(column) or text_texts(column)))


# --- one table ----------------------------------------------------------------------------

class FastJudge:
    """Compares one table by sums, and exactly where they differ."""

    def __init__(self, source, warehouse, job, options):
        self.source, self.warehouse = source, warehouse
        self.job, self.options = job, options
        self.found = Outcome(job.name, how="fast", problems=list(job.problems))
        self.threads = concurrent.futures.ThreadPoolExecutor(1)
        self.mine, self.theirs = source_digest(job.columns), target_digest(job.columns)

    def run(self):
        """All ranges, then the counts once more over the whole table."""
        found = self.found
        counts = TableJudge(self.source, self.warehouse, self.job, self.options).count_rows()
        bounds = self.bounds(counts[0])
        self.digest_once(len(bounds) > 1 or counts[0] < DIGESTS_KEPT)
        in_vain = 0
        with self.threads:
            while bounds and in_vain < GIVE_UP_AFTER:
                low, bounds = bounds[0], bounds[1:]
                in_vain = 0 if self.compare(low, bounds[0] if bounds else None) else in_vain + 1
        if bounds:
            self.exactly(bounds[0], None)
        if (found.source_rows, found.warehouse_rows) != counts:
            found.problems.append(f"COUNT(*) of both sides is {counts[0]} and {counts[1]}, but the"
                                  f" ranges hold {found.source_rows} and {found.warehouse_rows}")
        return found

    def bounds(self, rows):
        """The lower bound of every range; the first range has none and the last is open."""
        key = self.job.columns[0]
        wanted = min(MAX_RANGES, rows // self.options["range_rows"])
        if wanted < 2 or not self.job.keys or not (key.kind in INTS and key.pg in PG_INTS):
            return [None]
        name = quote_source(key.name)
        with self.source.cursor() as cur:
            cur.execute(f"SELECT MIN({name} + 0), MAX({name} + 0) FROM {self.source_table()}")
            low, high = map(int, cur.fetchone())
        step = (high - low) // wanted + 1
        return [None, *range(low + step, high + 1, step)]

    def digest_once(self, wanted):
        """Digest every source row once, into a temporary table, instead of once per aggregate."""
        with self.source.cursor() as cur:
            cur.execute("SET SESSION optimizer_switch = 'derived_merge=%s'"
                        % ("off" if wanted else "on"))

    def source_table(self):
        """The table's full name in MySQL."""
        return f"{quote_source(self.options['database'])}.{quote_source(self.job.name)}"

    def target_table(self):
        """The table as PostgreSQL's FROM names it."""
        return self.job.target_from(self.options["schema"])

    def conditions(self, low, high):
        """WHERE of both sides; a NULL that should not be there lies in the first range."""
        key = self.job.columns[0]
        sides = []
        for name, null in ((quote_source(key.name), ""),
                           (quote_target(key.target), f"{quote_target(key.target)} IS NULL OR ")):
            parts = [f"{name} >= {low}"] if low is not None else []
            if high is not None:
                parts.append(f"({null if low is None else ''}{name} < {high})")
            sides.append(" WHERE " + " AND ".join(parts) if parts else "")
        return tuple(sides)

    def compare(self, low, high):
        """One range by its sums, if need be exactly; False if its sums differed in vain."""
        where = self.conditions(low, high)
        waiting = self.threads.submit(self.source_sums, where[0])
        try:
            theirs = self.warehouse_sums(where[1])
        finally:
            concurrent.futures.wait([waiting])
        if waiting.result() != theirs:
            return self.exactly(low, high)
        self.found.ranges += 1
        for name in "source_rows", "warehouse_rows", "compared":
            setattr(self.found, name, getattr(self.found, name) + theirs[0])
        return True

    def source_sums(self, where):
        """(rows, digested rows, sum, xor) of the source; modulo 2^64."""
        with self.source.cursor() as cur:
            cur.execute(f"SELECT COUNT(*), COUNT(h), SUM(h), BIT_XOR(h) FROM (SELECT {self.mine}"
                        f" AS h FROM {self.source_table()}{where}) AS digests")
            rows, digested, total, xor = cur.fetchone()
        return rows, digested, int(total or 0) % 2 ** 64, int(xor or 0)

    def warehouse_sums(self, where):
        """The same of the warehouse. OFFSET 0: digest every row once, not per aggregate."""
        rows, digested, total, xor = self.warehouse.execute(
            f"SELECT count(*), count(h), sum(h), bit_xor(h) FROM (SELECT {self.theirs} AS h"
            f" FROM {self.target_table()}{where} OFFSET 0) AS digests").fetchone()
        return rows, digested, int(total or 0) % 2 ** 64, int(xor or 0) % 2 ** 64

    def exactly(self, low, high):
        """Compare a range row by row; was there a difference?"""
        found = self.found
        part = TableJudge(self.source, self.warehouse, self.job, self.options,
                          self.conditions(low, high)).run()
        found.ranges += 1
        found.ranges_exact += 1
        found.absorb(part)
        if part.differences():
            found.ranges_different.append((low, high))
        return part.differences() > 0
