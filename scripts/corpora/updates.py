#!/usr/bin/python3
"""Follows a corpus's own stream of updates, slice by slice with a run after each. Started by scripts/corpora.sh --updates.

Half of every slice is written while a run reads. Four times over, each from the beginning: every table read whole; by the
columns that `discover` proposes; with a clock that the source's server writes into every table; and so through a replica.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tools
from corpora import Corpora, listed, main
from servers import WAREHOUSES, Refused, quoted, with_database

MODES = ("whole", "discovered", "clock", "replica")
HEAD = ("mode", "run", "updates", "meanwhile", "s", "read", "inserted", "updated", "deleted", "healed", "exit")
SIZES = (11, 6, 8, 10, 7, 8, 9, 8, 8, 7, 5)
BEGIN = "SET SESSION sql_mode = '', SESSION foreign_key_checks = 0"
CLOCK = "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--etl-sync", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--slices", type=int, required=True)
    parser.add_argument("--modes", type=listed, required=True)
    options = parser.parse_args()
    options.formats, options.pgloader, options.only = ["default"], False, [options.name]
    if not 1 <= options.slices <= 1000:
        raise Refused(f"--slices: {options.slices} is not from 1 to 1000")
    unknown = [mode for mode in options.modes if mode not in MODES]
    if unknown or not options.modes:
        raise Refused(f"--modes: {', '.join(unknown) or 'nothing'} is not one of {', '.join(MODES)}")
    return options


def statements(file):
    """The stream's updates; who reads them says in which character set they are."""
    if not file.is_file():
        raise Refused(f"there is no stream {file}")
    text = subprocess.run(["zstdcat", str(file)], stdout=subprocess.PIPE, check=True).stdout
    found, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.startswith(b"UPDATE "):
            found.append(line)
            inside = True
        elif line.startswith((b"SET ", b"-- ")) or not line.strip():
            inside = False
        elif inside:
            found[-1] += line
    if not found:
        raise Refused(f"{file} holds no updates")
    return found


def write(source, schema, updates):
    """A client that is writing these into the schema."""
    file = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
    file.write(b"".join(updates))
    file.seek(0)
    command = ["mariadb", "--no-defaults", "-uroot", "-S", source.socket, "--default-character-set=utf8",
               f"--init-command={BEGIN}", schema]
    return subprocess.Popen(command, env=tools.environment({"MYSQL_PWD": source.password}), stdin=file, stdout=subprocess.DEVNULL)


def ended(client):
    if client.wait(tools.SECONDS) != 0:
        raise Refused("the client that writes the updates failed; its message stands above")


def etl_sync(setting, schema, words, name):
    """(the process, its document)"""
    more = {"ETL_SYNC_SOURCE_URL": with_database("ETL_SYNC_SOURCE_URL", schema),
            "ETL_SYNC_WAREHOUSE_URL": with_database("ETL_SYNC_WAREHOUSE_URL", WAREHOUSES[0]),
            "ETL_SYNC_WAREHOUSE_SCHEMA": tools.SCHEMA, "ETL_SYNC_STATE_DIR": str(tools.FOLDER / "state"),
            "ETL_SYNC_CONFIG_DIR": str(tools.FOLDER / "config")}
    if setting.replica:
        more["ETL_SYNC_REPLICA_URL"] = with_database("ETL_SYNC_ADMIN_SOURCE_URL", setting.replica)
    done = tools.finish([setting.binary, *words, "--json", "--color", "never"], more, name)
    try:
        return done, json.loads(done.text)
    except ValueError:
        return done, {}


def configure(setting, source, schema, mode):
    """Writes the mode's tables.yml, and the clock into the source."""
    config = tools.FOLDER / "config"
    config.mkdir(exist_ok=True)
    rules = config / "tables.yml"
    rules.unlink(missing_ok=True)
    if mode in ("clock", "replica"):
        tables = sorted(source.rows(schema))
        source.ask("SET SESSION sql_mode = ''")  # defaults such as a zero date are in the tables already
        for table in tables:
            source.ask(f"ALTER TABLE {quoted(schema, '`')}.{quoted(table, '`')} ADD COLUMN changed_at {CLOCK}")
        rules.write_text('tables:\n  "*": { primary_incremental_column: changed_at }\n', encoding="utf-8")
    if mode == "discovered":
        # It refuses a source that has far less tables than the file names; there is none.
        rules.write_text("tables: {}\n", encoding="utf-8")
        done, _ = etl_sync(setting, schema, ["discover", "--write"], "discover")
        if done.code != 0:
            raise Refused(f"discover ended with {done.code}: {done.last_line()}")


def show(values):
    print("".join(str(value).ljust(size) for value, size in zip(values, SIZES)).rstrip(), flush=True)


def night(setting, schema, told, name):
    """One run and its line; true when it succeeded."""
    began = time.monotonic()
    done, document = etl_sync(setting, schema, ["run"], name)
    seconds = time.monotonic() - began
    totals = document.get("totals", {})
    numbers = [totals.get(key, "-") for key in ("rows_read", "inserted", "updated", "deleted", "healed")]
    show([*told, f"{seconds:.2f}", *numbers, done.code])
    if done.code != 0:
        print(f"  {done.last_line()}")
        for entry in document.get("tables", []):
            if entry.get("error"):
                print(f"  {entry['table']}: {entry['error'].get('message')}")
    return done.code == 0, document


def follow(setting, source, schema, updates, mode, slices):
    """All slices, each with a run; what is wrong at the end."""
    configure(setting, source, schema, mode)
    setting.replica = f"{schema}_replica" if mode == "replica" else None
    if setting.replica:
        source.ask(f"CREATE OR REPLACE DATABASE {quoted(setting.replica, '`')}")
    setting.warehouse.fresh(WAREHOUSES[0])
    good, document = night(setting, schema, [mode, "first", 0, 0], f"{mode}-first")
    problems = [] if good else ["the first run failed"]
    size = -(-len(updates) // slices)
    for number in range(slices):
        part = updates[number * size:(number + 1) * size]
        before, meanwhile = part[:len(part) // 2], part[len(part) // 2:]
        ended(write(source, schema, before))
        client = write(source, schema, meanwhile)
        good, document = night(setting, schema, [mode, number + 1, len(before), len(meanwhile)], f"{mode}-{number + 1}")
        ended(client)
        problems += [] if good else [f"run {number + 1} failed"]
    good, document = night(setting, schema, [mode, "last", 0, 0], f"{mode}-last")
    problems += [] if good else ["the last run failed"]
    first = document.get("replicate", document)  # of two hops, the one that reads the source
    increments = sum("increments by" in table["reason"] for table in first.get("tables", []))
    rows = source.rows(schema)
    verdict = tools.judge(schema, WAREHOUSES[0], rows, f"{mode}-judge", tools.moved(document.get("tables", [])))
    print(f"{mode}: {len(rows)} tables, {increments} of them by increments, {sum(rows.values())} rows; judge: {verdict.equal} equal, "
          f"{verdict.differ} differ, {verdict.missing} missing, {verdict.rows_differ} rows differ", flush=True)
    setting.warehouse.drop(WAREHOUSES[0])
    if setting.replica:
        source.ask(f"DROP DATABASE {quoted(setting.replica, '`')}")
    return problems + verdict.problems + ([] if verdict.equal == len(rows) else ["not equal at the end"])


def run(options, source, warehouse):
    """Exit status."""
    setting = tools.Setting(options, source, warehouse)
    setting.replica = None
    tools.check_judge()
    updates = statements(options.corpora / options.name / "updates" / f"{options.stream}.sql.zst")
    show(HEAD)
    problems = []
    for mode in options.modes:
        (_, schema, _), = Corpora(options.corpora, options.only, source).load()
        found = follow(setting, source, schema, updates, mode, options.slices)
        problems += [f"{mode}: {problem}" for problem in found]
        source.ask(f"DROP DATABASE {quoted(schema, '`')}")
    for problem in problems:
        print(problem)
    print(f"{options.name}, {options.stream}: {len(updates)} updates in {options.slices} slices, " +
          (f"{len(problems)} problems" if problems else "equal after the last run in every mode"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(arguments, run))
