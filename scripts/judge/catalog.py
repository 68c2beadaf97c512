"""What both servers say they hold, and which target belongs to which source table."""
import dataclasses

from judge.text import JudgeError

TABLE_TYPES = ("BASE TABLE", "SYSTEM VERSIONED")
LOADED_AT, DELETED_AT = "_loaded_at", "_deleted_at"


@dataclasses.dataclass
class Column:
    """A column on both sides; `pg` and `mod` are the PostgreSQL type's name and modifier."""
    name: str
    target: str
    kind: str
    column_type: str
    pg: str
    mod: int = -1
    charset: str = None


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
    marks: bool = False

    def target_from(self, schema):
        """The rows in the warehouse, but for those marked as gone from the source."""
        name, alias = f"{quote_target(schema)}.{quote_target(self.target)}", quote_target(self.target)
        if not self.marks:
            return name
        return f"(SELECT * FROM {name} WHERE {quote_target(DELETED_AT)} IS NULL) AS {alias}"


def quote_source(name):
    """`name` for MySQL."""
    return "`" + name.replace("`", "``") + "`"


def quote_target(name):
    """"name" for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


# --- both servers' catalogs ---------------------------------------------------------------

def source_catalog(conn, database):
    """{table: ([(column, kind, type, charset)], key names, estimated bytes)} and other objects."""
    with conn.cursor() as cur:
        cur.execute("SELECT TABLE_NAME, TABLE_TYPE, COALESCE(DATA_LENGTH, 0) FROM"
                    " information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,))
        listed = cur.fetchall()
        cur.execute("SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE,"
                    " CHARACTER_SET_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
                    " ORDER BY TABLE_NAME, ORDINAL_POSITION", (database,))
        columns = cur.fetchall()
        cur.execute("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS"
                    " WHERE TABLE_SCHEMA = %s AND INDEX_NAME = 'PRIMARY'"
                    " ORDER BY TABLE_NAME, SEQ_IN_INDEX", (database,))
        keys = cur.fetchall()
    tables = {name: ([], [], int(size)) for name, kind, size in listed if kind in TABLE_TYPES}
    others = sorted(name for name, kind, _ in listed if kind not in TABLE_TYPES)
    for table, name, kind, column_type, charset in columns:
        if table in tables:
            tables[table][0].append((name, kind.lower(), column_type.lower(), charset))
    for table, name in keys:
        if table in tables:
            tables[table][1].append(name)
    return tables, others


def warehouse_catalog(conn, schema):
    """{table: {column: (type name, type modifier)}}; a domain counts as its base type."""
    rows = conn.execute("""
        SELECT c.relname, a.attname, coalesce(b.typname, t.typname),
               CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
         WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
         ORDER BY 1, a.attnum""", (schema,)).fetchall()
    tables = {}
    for table, column, kind, mod in rows:
        tables.setdefault(table, {})
        if column:
            tables[table][column] = (kind, mod)
    return tables


def table_exists(conn, name, readable=False):
    """Is there a table of this name, schema.table, and may this account read it?"""
    return conn.execute(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND (NOT %s OR has_schema_privilege(n.oid,"
        " 'USAGE') AND has_table_privilege(c.oid, 'SELECT')))",
        (*name.split("."), readable)).fetchone()[0]


def recorded_names(conn, schema):
    """[(table, column or '', target)] of etl_sync.name_map for this schema.

    Without it, or the right to read it, long names end as `name not checked`.
    """
    if not table_exists(conn, "etl_sync.name_map", readable=True):
        return []
    return conn.execute("SELECT table_name, coalesce(column_name, ''), target_name"
                        " FROM etl_sync.name_map WHERE job = %s ORDER BY 1, 2",
                        (schema,)).fetchall()


def quarantined_rows(conn, schema):
    """{source table: rows in quarantine} of this schema."""
    if not table_exists(conn, "etl_quarantine.rejected_row"):
        return {}
    return dict(conn.execute("SELECT table_name, count(*) FROM etl_quarantine.rejected_row"
                             " WHERE job = %s GROUP BY 1", (schema,)).fetchall())


# --- names --------------------------------------------------------------------------------

class Names:
    """The name in the warehouse of every table and column: --map, then the recorded names."""

    def __init__(self, pairs, recorded):
        self.given = parse_renames(pairs)
        self.recorded = recorded
        self.known = {(table, column): target for table, column, target in recorded}

    def table(self, name):
        """A table's name in the warehouse."""
        return self.given.get(name) or self.known.get((name, ""), name)

    def column(self, table, name):
        """A column's name in the warehouse."""
        return self.given.get(f"{table}.{name}") or self.known.get((table, name), name)

    def problems(self, targets, wanted):
        """Recorded names that lead nowhere, or to the target of another."""
        found, taken = [], {}
        for table, column, target in self.recorded:
            if wanted is not None and table not in wanted:
                continue
            what = f"{table}.{column}" if column else table
            there = targets.get(self.table(table), {}) if column else targets
            if target not in there and what not in self.given:
                found.append(f"{what} is recorded as {target}, which does not exist")
            place = (self.table(table) if column else None, target)
            if taken.setdefault(place, what) != what:
                found.append(f"{what} and {taken[place]} are both recorded as {target}")
        return found


def parse_renames(pairs):
    """['old=new', ..] -> dict; names may hold `=`, so the last one separates."""
    renames = {}
    for pair in pairs:
        old, found, new = pair.rpartition("=")
        if not found or not old or not new:
            raise JudgeError("--map: expected OLD=NEW")
        renames[old] = new
    return renames


def too_long(name):
    """PostgreSQL cuts names after 63 bytes."""
    return len(name.encode()) > 63


def row_times(columns, target):
    """The loader's own columns, no data of the source's: when a row was written, when it went."""
    taken = {name.lower() for name, *_ in columns}
    return {name for name in (LOADED_AT, DELETED_AT)
            if name not in taken and target.get(name) == ("timestamptz", -1)}


def plan_table(name, entry, targets, names, extra_columns_ok):
    """Match one source table with its target by names."""
    columns, keys, size = entry
    job = Job(name, names.table(name), [], size=size)
    if too_long(job.target):
        job.problems.append("name not checked: over 63 bytes (use --map)")
        job.unchecked = True
        return job
    target = targets.get(job.target)
    if target is None:
        job.problems.append("table missing in the warehouse")
        return job
    seen = set()
    for column, kind, column_type, charset in columns:
        wanted = names.column(name, column)
        if too_long(wanted):
            job.problems.append(f"column name not checked: over 63 bytes: {column} (use --map)")
        elif wanted not in target:
            job.problems.append(f"column missing in the warehouse: {wanted}")
        else:
            job.columns.append(Column(column, wanted, kind, column_type,
                                      *target[wanted], charset))
            seen.add(wanted)
    own_times = row_times(columns, target)
    job.marks = DELETED_AT in own_times
    surplus = sorted(set(target) - seen - own_times)
    if surplus and not extra_columns_ok:
        job.problems.append("columns only in the warehouse: " + ", ".join(surplus))
    if not job.columns:
        job.problems.append("no column in common")
    own = [column.name for column in job.columns]
    if keys and all(key in own for key in keys):
        job.columns.sort(key=lambda c: keys.index(c.name) if c.name in keys else len(keys))
        job.keys = len(keys)
    return job
