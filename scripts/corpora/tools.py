"""Runs etl-sync, pgloader and the judge on one schema, and takes their answers apart."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from servers import WAREHOUSES, Refused, column_types, favour, state, with_database

SCHEMA = "raw"
JUDGE = Path(__file__).resolve().parent.parent / "judge.py"
PGLOADER_SECONDS = 120
SECONDS = 900               # for everything else
MANY_ROWS = 20_000          # from here on a second process of the judge is worth its start
# What a policy may take out, by the names that both reports use; a name that a report does not know counts as 0.
COUNTS = ("zero_dates", "nulled", "stripped", "rejected")
FOLDER = Path("/nonexistent")  # set by the caller: for files of this run


class Setting:
    """What is the same for all schemas."""

    def __init__(self, options, source, warehouse):
        self.source, self.warehouse, self.formats = source, warehouse, options.formats
        self.binary = os.path.abspath(options.etl_sync)
        self.pgloader_wanted = options.pgloader
        self.pgloader = options.pgloader and shutil.which("pgloader")
        if set(self.formats) != {"default"} and "copy_format" not in output([self.binary, "schema", "pipeline"]):
            raise Refused(f"{output([self.binary, '--version']).strip()} has no setting copy_format; use --formats default")


@dataclasses.dataclass
class Done:
    """A process that has ended."""
    code: object            # its exit status, or "timeout"
    seconds: float
    log: Path
    text: str               # standard output

    def last_line(self):
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


@dataclasses.dataclass
class Verdict:
    """What the judge says about one copy."""
    equal: int = 0
    differ: int = 0
    missing: int = 0
    rows_differ: int = 0    # rows of missing tables included
    counts: dict = dataclasses.field(default_factory=dict)   # {(table, one of COUNTS): number}, without zeros
    columns: dict = dataclasses.field(default_factory=dict)  # {(table, column): rows that differ there}
    problems: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Loaded:
    """What pgloader did."""
    seconds: float
    code: object
    verdict: Verdict
    by_type: dict           # {type of a column: rows that differ there}


def output(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout


def environment(more):
    """What every program gets. No ETL_SYNC_ variable passes unseen."""
    kept = ("PATH", "HOME", "TMPDIR", "USER")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "LC_ALL": "C.UTF-8", **more}


def finish(command, more, name, deadline=SECONDS):
    """Runs a program to its end or its deadline; what it starts ends with it."""
    log = Path(os.environ.get("ETL_SYNC_CORPORA_LOGS") or FOLDER).resolve() / f"{name.replace('/', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(log, "wb") as messages, subprocess.Popen(
            command, env=environment(more), cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages,
            start_new_session=True) as child:
        try:
            text, _ = child.communicate(timeout=deadline)
            code = child.returncode
        except subprocess.TimeoutExpired:
            text, code = b"", "timeout"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
        seconds = time.monotonic() - began
    text = text.decode("utf-8", "replace")
    log.with_suffix(".out").write_text(text, encoding="utf-8")
    return Done(code, seconds, log, text)


# --- the judge --------------------------------------------------------------------------------------------------

def check_judge():
    """A judge that finds nothing says nothing: when it can test itself, it has to."""
    addresses = ["--source", os.environ["ETL_SYNC_ADMIN_SOURCE_URL"], "--warehouse", os.environ["ETL_SYNC_ADMIN_WAREHOUSE_URL"]]
    done = finish([str(JUDGE), "--self-test", *addresses], {}, "judge-self-test")
    if done.code != 0:
        raise Refused(f"the judge's self-test ended with {done.code}: {done.last_line()}")


def judge(schema, warehouse, rows, name, renames=()):
    """The verdict over one copy; tables that were not compared have lost all their rows."""
    file = FOLDER / "judge.json"
    file.unlink(missing_ok=True)
    jobs = "2" if sum(rows.values()) >= MANY_ROWS else "1"
    command = [str(JUDGE), "--schema", SCHEMA, "--allow-empty", "--jobs", jobs, "--tmp", str(FOLDER), "--json", str(file)]
    for rename in renames:
        command += ["--map", rename]
    urls = {"ETL_SYNC_SOURCE_URL": with_database("ETL_SYNC_SOURCE_URL", schema),
            "ETL_SYNC_WAREHOUSE_URL": with_database("ETL_SYNC_WAREHOUSE_URL", warehouse)}
    done = finish(command, urls, f"judge-{name}")
    verdict = Verdict()
    found = {}
    if file.exists():
        found = {entry["name"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))["by_table"]}
    else:
        verdict.problems.append(f"the judge ended with {done.code}: {done.last_line()}")
    for table, count in rows.items():
        weigh(verdict, table, count, found.get(table))
    if done.code != 0 and verdict.equal == len(rows):
        verdict.problems.append(f"every table is equal, but the judge ended with {done.code}")
    if os.environ.get("ETL_SYNC_CORPORA_LOGS") and file.exists():
        shutil.copy(file, done.log.with_suffix(".json"))
    return verdict


def weigh(verdict, table, count, entry):
    """Adds what the judge found in one table."""
    if entry is None:
        verdict.differ += 1
        verdict.rows_differ += count
        return
    if entry["status"] == "equal":
        verdict.equal += 1
    elif any(problem.startswith("table missing") for problem in entry["problems"]):
        verdict.missing += 1
    else:
        verdict.differ += 1
        verdict.problems += [f"{table}: {problem}" for problem in entry["problems"][:1]]
        if entry["columns"]:
            columns = ", ".join(f"{name} ({number})" for name, number in sorted(entry["columns"].items()))
            verdict.problems.append(f"{table}: differs in {columns}")
    for name, number in entry["columns"].items():
        verdict.columns[table, name] = number
    # Where rows are compared as a whole, a changed one is missing here and extra there: it counts once.
    verdict.rows_differ += max(entry["missing"], entry["extra"]) + entry["changed"] if entry["how"] else count
    take_counts(verdict.counts, table, entry)


def take_counts(counts, table, entry):
    """The judge's counters: per deed and kind of value."""
    nulled = dict(entry["nulled"])
    found = {"zero_dates": nulled.pop("zero_dates", 0), "nulled": sum(nulled.values()),
             "stripped": sum(entry["stripped"].values()), "rejected": entry["rejected_rows"]}
    counts.update({(table, what): number for what, number in found.items() if number})


def take_values(counts, table, entry):
    """etl-sync's list of what policies did to values: by column, fault and deed."""
    for value in entry.get("values", []):
        what = "zero_dates" if value["fault"] == "zero_date" else "stripped" if value["done"] == "strip" else "nulled"
        counts[table, what] = counts.get((table, what), 0) + value["count"]


# --- etl-sync ---------------------------------------------------------------------------------------------------

def sync(setting, schema, format_name, name):
    """One run: (the process, its report, {} when there is none)."""
    more = {"ETL_SYNC_SOURCE_URL": with_database("ETL_SYNC_SOURCE_URL", schema),
            "ETL_SYNC_WAREHOUSE_URL": with_database("ETL_SYNC_WAREHOUSE_URL", WAREHOUSES[0]),
            "ETL_SYNC_WAREHOUSE_SCHEMA": SCHEMA, "ETL_SYNC_STATE_DIR": str(FOLDER / "state")}
    if format_name != "default":
        more["ETL_SYNC_COPY_FORMAT"] = format_name
    done = finish([setting.binary, "--json", "--color", "never"], more, f"etl-sync-{name}")
    try:
        return done, json.loads(done.text)
    except ValueError:
        return done, {}


def sync_and_judge(setting, line, rows):
    """A first load, the judge, and a second run, which must not write."""
    setting.warehouse.fresh(WAREHOUSES[0])
    name = f"{line.schema}-{line.format}"
    done, told = sync(setting, line.schema, line.format, name)
    line.seconds = done.seconds
    line.problems += run_problems(done, told)
    tables = told.get("tables", [])
    counts = {}
    for entry in tables:
        if entry.get("rejected"):
            counts[entry["table"], "rejected"] = entry["rejected"]
        take_values(counts, entry["table"], entry)
    line.counts = counts
    line.verdict = judge(line.schema, WAREHOUSES[0], rows, name, moved(tables))
    compare_counts(line)
    before = state(WAREHOUSES[0], SCHEMA)
    done, told = sync(setting, line.schema, line.format, name + "-again")
    line.again_seconds = done.seconds
    line.written = written(told, before, state(WAREHOUSES[0], SCHEMA), rows)
    setting.warehouse.drop(WAREHOUSES[0])


def run_problems(done, told):
    """What a run says that went wrong: that it is incomplete is the judge's to say."""
    problems = []
    if done.code not in (0, 1, 3) or not told:
        problems.append(f"etl-sync ended with {done.code}: {done.last_line()}")
    for entry in told.get("tables", []):
        if entry["status"] != "loaded":
            error = entry.get("error") or {}
            problems.append(f"{entry['table']} {entry['status']}: {error.get('message', 'no reason given')}")
    return problems


def moved(tables):
    """Tables and columns that go by another name in the warehouse, as the judge wants to be told."""
    renames = []
    for entry in tables:
        for renamed in entry.get("renamed", []):
            old = f"{entry['table']}.{renamed['column']}" if renamed["column"] else entry["table"]
            renames.append(f"{old}={renamed['target']}")
    return renames


def compare_counts(line):
    """Both count what a policy took out, each by its own means."""
    for key in sorted(line.counts.keys() | line.verdict.counts.keys()):
        mine, theirs = line.counts.get(key, 0), line.verdict.counts.get(key, 0)
        if mine != theirs:
            line.problems.append(f"{key[0]}: {key[1]} counted {mine} by etl-sync, {theirs} by the judge")


def written(told, before, after, rows):
    """What the second run wrote: (rows by its report, tables whose rows changed in truth)."""
    totals = told.get("totals", {})
    said = sum(totals.get(name, 0) for name in ("inserted", "updated", "deleted"))
    # Tables of its own records are written by each run.
    own = {table for table in before.keys() | after.keys() if table.startswith("etl_") and table not in rows}
    touched = [table for table in before.keys() | after.keys() if table not in own and before.get(table) != after.get(table)]
    return said, sorted(touched)


# --- pgloader ---------------------------------------------------------------------------------------------------

def pgloader_and_judge(setting, schema, rows):
    """pgloader with its own defaults, but for the names: it would lower them and name the schema after the database."""
    setting.warehouse.fresh(WAREHOUSES[1])
    script = FOLDER / "pgloader.load"
    text = (f"LOAD DATABASE FROM {with_database('ETL_SYNC_SOURCE_URL', schema)}\n"
            f"INTO {with_database('ETL_SYNC_WAREHOUSE_URL', WAREHOUSES[1])}\n"
            f"WITH quote identifiers\nALTER SCHEMA '{schema}' RENAME TO '{SCHEMA}';\n")
    # Passwords: nobody else may read it.
    with open(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    done = finish(["pgloader", "--root-dir", str(FOLDER / "pgloader"), str(script)], {}, f"pgloader-{schema}", PGLOADER_SECONDS)
    script.unlink()
    # In its favour: what only looks different shall not count.
    stays = []
    try:
        favour(WAREHOUSES[1], SCHEMA, setting.source.floats(schema))
    except psycopg.Error as error:
        stays.append(f"char(n), float and SET columns stay as they are: {str(error).splitlines()[0]}")
    verdict = judge(schema, WAREHOUSES[1], rows, f"{schema}-pgloader")
    verdict.problems += stays
    types, by_type = column_types(WAREHOUSES[1], SCHEMA), {}
    for column, number in verdict.columns.items():
        kind = types.get(column, "unknown")
        by_type[kind] = by_type.get(kind, 0) + number
    setting.warehouse.drop(WAREHOUSES[1])
    return Loaded(done.seconds, done.code, verdict, by_type)
