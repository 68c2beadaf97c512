"""The tools of a sitting. Each loads one source database into a PostgreSQL database of its own."""

import os
import shlex
import subprocess

import measure
from servers import base_environment

SCHEMA = "raw"
PGLOADER_WITH = ("include drop, create tables, create no indexes, no foreign keys, workers = 4, concurrency = 1, "
                 "multiple readers per thread, rows per range = 100000")


class Tool:
    """What all have in common: the servers, the source database, a folder for messages."""

    def __init__(self, sitting):
        self.sitting = sitting
        self.target = f"etl_sync_bench_{self.key}"
        self.log = os.path.join(sitting.folder, f"{self.key}.log")

    def fresh(self):
        self.sitting.admin.fresh(self.target, self.sitting.warehouse.user)

    def rows(self):
        return self.sitting.admin.rows(self.target)

    def drop(self):
        self.sitting.admin.drop(self.target)

    def measured(self, commands, environment):
        return measure.run(commands, environment, self.sitting.folder, self.log)


class EtlSync(Tool):
    key, name = "etl", "etl-sync"

    def command(self):
        return [self.sitting.binary, "--parallel", str(self.sitting.parallel)]

    def environment(self):
        sitting = self.sitting
        return {**base_environment(), "ETL_SYNC_SOURCE_URL": sitting.source.url(sitting.database),
                "ETL_SYNC_WAREHOUSE_URL": sitting.warehouse.url(self.target), "ETL_SYNC_WAREHOUSE_SCHEMA": SCHEMA,
                **sitting.settings}

    def run(self):
        return self.measured([self.command()], self.environment())

    def shown(self):
        settings = [f"{name}={value}" for name, value in self.sitting.settings.items()]
        return shlex.join([*settings, "etl-sync", *self.command()[1:]])


class EtlSyncCsv(EtlSync):
    """The reference format in place of the binary one."""

    key, name = "etl_csv", "etl-sync, csv"

    def environment(self):
        return {**super().environment(), "ETL_SYNC_COPY_FORMAT": "csv"}

    def shown(self):
        return "ETL_SYNC_COPY_FORMAT=csv " + super().shown()


class Pipe(Tool):
    """One stream per table, one table after the other, into tables without indexes."""

    key, name = "pipe", "pipe"

    def fresh(self):
        """The tables are those that etl-sync made before, without keys (pg_dump keeps them for after the data) and without
        the column that only etl-sync fills."""
        super().fresh()
        sitting = self.sitting
        dump = ["pg_dump", "--schema-only", "--section=pre-data", "--no-owner", "--no-privileges", f"--schema={SCHEMA}"]
        tables = subprocess.run(dump, env=sitting.warehouse.environment(EtlSync(sitting).target), stdout=subprocess.PIPE,
                                text=True, check=True).stdout
        # A pg_dump newer than the server sets what the server does not know.
        known = [line for line in tables.splitlines() if not line.startswith("SET transaction_timeout")]
        quoted = [table.replace('"', '""') for table in sitting.tables]
        known += [f'ALTER TABLE {SCHEMA}."{table}" DROP COLUMN IF EXISTS _loaded_at;' for table in quoted]
        sitting.warehouse.ask(self.target, "\n".join(known))

    def commands(self, table):
        source = self.sitting.source
        quoted = table.replace('"', '""')
        return [
            source.command("--quick", "--batch", "-N", "-e", f"SELECT * FROM `{table}`", self.sitting.database),
            ["sed", r"s/\bNULL\b/\\N/g"],
            ["psql", "--no-psqlrc", "--quiet", "-c", f'\\copy {SCHEMA}."{quoted}" from stdin'],
        ]

    def run(self):
        environment = {**self.sitting.source.environment(), **self.sitting.warehouse.environment(self.target)}
        total = measure.Cost()
        for table in self.sitting.tables:
            cost = self.measured(self.commands(table), environment)
            if cost.failures:
                cost.failures = [f"table {table}"]
            total = total.then(cost)
        return total

    def shown(self):
        shown = " | ".join(shlex.join(command) for command in self.commands(self.sitting.tables[0]))
        more = len(self.sitting.tables) - 1
        return shown + (f"   and {more} tables more, one after the other" if more else "")


class Pgloader(Tool):
    key, name = "pgloader", "pgloader"

    def run(self):
        sitting = self.sitting
        script = os.path.join(sitting.folder, "pgloader.load")
        text = (f"LOAD DATABASE FROM {sitting.source.url(sitting.database)} INTO {sitting.warehouse.url(self.target)}\n"
                f"WITH {PGLOADER_WITH};\n")
        # Passwords: nobody else may read it.
        with open(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        command = ["pgloader", "--root-dir", os.path.join(sitting.folder, "pgloader"), script]
        try:
            return self.measured([command], base_environment())
        finally:
            os.remove(script)

    def shown(self):
        return f"pgloader FILE with LOAD DATABASE FROM … INTO … WITH {PGLOADER_WITH}"
