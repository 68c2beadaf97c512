"""The two private servers: what this script makes there, and what it takes away again."""

import os
import urllib.parse

import psycopg
import pymysql

RECORD = "etl_sync_corpora"        # database of the source that lists what was made, so that a killed run can be cleaned up
WAREHOUSES = ("etl_sync_corpora_copy", "etl_sync_corpora_pgloader")


class Refused(Exception):
    """A reason not to begin, told in one line."""


def address(variable):
    """The parts of a URL of the environment that scripts/servers.sh printed."""
    value = os.environ.get(variable)
    if not value:
        raise Refused(f"{variable} is not set; start through scripts/corpora.sh")
    return urllib.parse.urlsplit(value)


def with_database(variable, database):
    """The URL in `variable` with another database."""
    return address(variable)._replace(path="/" + urllib.parse.quote(database, safe="")).geturl()


def quoted(name, mark):
    """A name between marks."""
    return mark + name.replace(mark, mark * 2) + mark


class Source:
    """The private MariaDB, as its administrator."""

    def __init__(self):
        root = address("ETL_SYNC_ADMIN_SOURCE_URL")
        self.socket = os.environ["ETL_SYNC_MARIADB_SOCKET"]
        self.password = urllib.parse.unquote(root.password or "")
        self.conn = pymysql.connect(unix_socket=self.socket, user=root.username, password=self.password,
                                    charset="utf8mb4", autocommit=True)
        self.ours = False
        ((pid_file, port),) = self.ask("SELECT @@pid_file, @@port")
        if os.path.realpath(pid_file) != os.path.realpath(os.environ["ETL_SYNC_MARIADB_PID_FILE"]) \
                or port != address("ETL_SYNC_SOURCE_URL").port:
            raise Refused("this MariaDB is not the one of scripts/servers.sh")
        if self.ask("SELECT GET_LOCK(%s, 0)", RECORD) != ((1,),):
            raise Refused("another scripts/corpora.sh works on these servers")
        self.ours = True

    def ask(self, sql, *values):
        self.conn.ping()  # loads and syncs take their time
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def databases(self):
        return {name for (name,) in self.ask("SELECT schema_name FROM information_schema.schemata")}

    def keep_record(self):
        """Begins the list."""
        self.ask(f"CREATE DATABASE {RECORD}")
        self.ask(f"CREATE TABLE {RECORD}.made (name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY)")

    def record(self, names):
        for name in sorted(names):
            self.ask(f"INSERT IGNORE INTO {RECORD}.made VALUES (%s)", name)

    def clean(self):
        """Drops every database of the list, then the list."""
        if RECORD not in self.databases():
            return
        # The list is made after its database: without it nothing else was made.
        if self.ask("SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'made'", RECORD):
            for (name,) in self.ask(f"SELECT name FROM {RECORD}.made"):
                self.ask(f"DROP DATABASE IF EXISTS {quoted(name, '`')}")
        self.ask(f"DROP DATABASE {RECORD}")

    def rows(self, schema):
        """{base table: rows}"""
        tables = self.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = %s "
                          "AND table_type = 'BASE TABLE'", schema)
        count = f"SELECT COUNT(*) FROM {quoted(schema, '`')}."
        return {name: self.ask(count + quoted(name, "`"))[0][0] for (name,) in tables}

    def floats(self, schema):
        """{(table, column)} of type FLOAT"""
        return set(self.ask("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s "
                            "AND data_type = 'float'", schema))

    def version(self):
        return self.ask("SELECT @@version")[0][0]


class Warehouse:
    """The private PostgreSQL, as its administrator."""

    def __init__(self, source):
        self.conn = psycopg.connect(os.environ["ETL_SYNC_ADMIN_WAREHOUSE_URL"], autocommit=True)
        self.owner = address("ETL_SYNC_WAREHOUSE_URL").username
        folder = self.conn.execute("SHOW data_directory").fetchone()[0]
        if os.path.realpath(folder) != os.path.realpath(os.path.dirname(os.environ["ETL_SYNC_PG_PID_FILE"])):
            raise Refused("this PostgreSQL is not the one of scripts/servers.sh")
        there = [name for name in WAREHOUSES
                 if self.conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()]
        # They are made after the list and go before it.
        if there and RECORD not in source.databases():
            raise Refused(f"the warehouse holds {', '.join(there)}, which this script has no record of")

    def fresh(self, database):
        self.drop(database)
        owner = quoted(self.owner, '"')
        self.conn.execute(f"CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'")

    def drop(self, database):
        self.conn.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def clean(self):
        for name in WAREHOUSES:
            self.drop(name)

    def version(self):
        return self.conn.execute("SHOW server_version").fetchone()[0]


def state(database, schema):
    """{table: what changes as soon as one row of it is written}, without asking the program that wrote it."""
    with psycopg.connect(with_database("ETL_SYNC_ADMIN_WAREHOUSE_URL", database)) as conn:
        found = conn.execute("SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                             "WHERE n.nspname = %s AND c.relkind IN ('r', 'p')", (schema,)).fetchall()
        # A row that is written anew has another xmin, a table that is made anew another oid.
        written = "SELECT count(*), sum(hashtextextended(ctid::text || ' ' || xmin::text, 0)::numeric) FROM "
        target = quoted(schema, '"') + "."
        return {name: (oid, conn.execute(written + target + quoted(name, '"')).fetchone())
                for oid, name in found}


def favour(database, schema, floats):
    """Changes types where a copy holds the same values in another spelling; `floats` are FLOAT columns of the source.

    char(n) is shown with blanks at the end that belong to no value; a SET became an array; a FLOAT that became double
    precision holds its shown digits, which are the same number as soon as they are read as a float again.
    """
    with psycopg.connect(with_database("ETL_SYNC_ADMIN_WAREHOUSE_URL", database), autocommit=True) as conn:
        found = conn.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r' AND a.attnum > 0 "
            "AND NOT a.attisdropped", (schema,)).fetchall()
        changes = {}
        for table, column, kind in found:
            name = quoted(column, '"')
            wanted = None
            if kind == "character":
                wanted = "text"
            elif kind.endswith("[]"):
                wanted = f"text USING array_to_string({name}, ',')"
            elif kind == "double precision" and (table, column) in floats:
                wanted = "real"
            if wanted:
                changes.setdefault(table, []).append(f"ALTER {name} DROP DEFAULT, ALTER {name} TYPE {wanted}")
        for table, parts in changes.items():
            conn.execute(f"ALTER TABLE {quoted(schema, chr(34))}.{quoted(table, chr(34))} " + ", ".join(parts))


def column_types(database, schema):
    """{(table, column): type}"""
    with psycopg.connect(with_database("ETL_SYNC_ADMIN_WAREHOUSE_URL", database)) as conn:
        found = conn.execute("SELECT table_name, column_name, CASE data_type WHEN 'USER-DEFINED' THEN 'enum' ELSE data_type END "
                             "FROM information_schema.columns WHERE table_schema = %s", (schema,)).fetchall()
    return {(table, column): kind for table, column, kind in found}
