"""The two servers of a sitting: their addresses, and small questions to both. Standard library only."""

import os
import subprocess
import sys
import urllib.parse

SYSTEM_SCHEMAS = "('pg_catalog', 'information_schema', 'pg_toast', 'etl_sync')"


class Server:
    """An address from the environment; passwords travel in the environment, never on a command line."""

    def __init__(self, variable):
        url = os.environ.get(variable)
        if not url:
            sys.exit(f"{variable} is not set; start through scripts/bench.sh")
        parts = urllib.parse.urlsplit(url)
        self.scheme, self.host, self.port, self.user = parts.scheme, parts.hostname, parts.port, parts.username
        self.quoted_password = parts.password or ""
        self.password = urllib.parse.unquote(self.quoted_password)

    def url(self, database):
        return f"{self.scheme}://{self.user}:{self.quoted_password}@{self.host}:{self.port}/{database}"


def base_environment():
    """What every client gets. No ETL_SYNC_ variable passes unseen: it would be a setting of one tool only."""
    kept = ("PATH", "HOME", "TMPDIR", "USER")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "LC_ALL": "C.UTF-8"}


class Mariadb(Server):
    def environment(self):
        return {**base_environment(), "MYSQL_PWD": self.password}

    def command(self, *arguments):
        return ["mariadb", "--no-defaults", "--protocol=tcp", f"--host={self.host}", f"--port={self.port}",
                f"--user={self.user}", "--default-character-set=utf8mb4", *arguments]

    def ask(self, sql):
        done = subprocess.run(self.command("--batch", "--skip-column-names"), input=sql, env=self.environment(),
                              stdout=subprocess.PIPE, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def tables(self, database):
        rows = self.ask("SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
                        f"AND table_schema = '{database}' ORDER BY table_name")
        return [row[0] for row in rows]

    def count(self, database, tables):
        parts = [f"SELECT COUNT(*) FROM `{database}`.`{table}`" for table in tables]
        return sum(int(row[0]) for row in self.ask("; ".join(parts)))

    def warm(self, database, tables):
        """Reads every row once, so that the first tool does not pay for a cold buffer pool."""
        for table in tables:
            subprocess.run(self.command("--quick", "--batch", "-e", f"SELECT * FROM `{table}`", database),
                           env=self.environment(), stdout=subprocess.DEVNULL, check=True)


class Postgres(Server):
    def environment(self, database):
        return {**base_environment(), "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user,
                "PGPASSWORD": self.password, "PGDATABASE": database}

    def ask(self, database, sql):
        command = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-align", "--tuples-only"]
        done = subprocess.run(command, input=sql, env=self.environment(database), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"psql: {done.stderr.strip()}")
        return done.stdout.split("\n")[:-1]

    def fresh(self, database, owner):
        """An empty database. The checkpoint writes the last tool's pages, or the next one would pay for them."""
        self.ask("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE);")
        self.ask("postgres", f"CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8';")
        self.ask("postgres", "CHECKPOINT;")

    def drop(self, database):
        self.ask("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE);")

    def rows(self, database):
        """Rows of all tables that a tool made, without etl-sync's own records."""
        counted = ("(xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), "
                   "false, true, '')))[1]::text::bigint")
        answer = self.ask(database, f"SELECT coalesce(sum({counted}), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = "
                          f"c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT IN {SYSTEM_SCHEMAS} "
                          "AND c.relname !~ '^etl_';")
        return int(answer[0])
