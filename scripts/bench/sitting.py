#!/usr/bin/env python3
"""One sitting: every tool loads the same source database, in turns, and the ratios are printed. See scripts/bench.sh."""

import argparse
import os
import signal
import sys
import tempfile

import measure
from servers import Mariadb, Postgres
from tools import EtlSync, EtlSyncCsv, Pgloader, Pipe


# A chunk is read by one worker and streams through it, so its size has no part in the memory; small ones keep all
# workers busy at the smaller table too, and like is compared with like.
MEMORY_SETTINGS = {"ETL_SYNC_CHUNK_MB": "2"}


class Sitting:
    """What the tools need to know."""

    def __init__(self, options, folder):
        self.folder, self.database = folder, options.database
        self.binary, self.parallel = os.path.abspath(options.etl_sync), options.parallel
        self.settings = MEMORY_SETTINGS if options.larger else {}
        self.source, self.warehouse = Mariadb("ETL_SYNC_SOURCE_URL"), Postgres("ETL_SYNC_WAREHOUSE_URL")
        self.admin = Postgres("ETL_SYNC_ADMIN_WAREHOUSE_URL")
        self.tables = self.source.tables(self.database)
        if not self.tables:
            sys.exit(f"database {self.database} of the source has no tables")

    def change_database(self, database):
        self.database, self.tables = database, self.source.tables(database)


class Line:
    """The repetitions of one line of the table."""

    def __init__(self, name, tool):
        self.name, self.tool, self.costs, self.rows = name, tool, [], None

    def add(self, cost):
        self.costs.append(cost)
        for failure in cost.failures[:3]:
            print(f"  {self.name}: {failure}", flush=True)

    def values(self, what):
        return [getattr(cost, what) for cost in self.costs]

    def text(self, rows_expected):
        peak = [kb / 1024 for kb in self.values("peak_kb")]
        failed = len(self.costs[-1].failures)
        remark = f"  {failed} failed" if failed else ""
        if self.rows != rows_expected:
            remark += f"  {self.rows - rows_expected:+} rows"
        return (f"{self.name:<22}{spread(self.values('wall')):>22}{spread(self.values('cpu')):>22}"
                f"{spread(peak, 1):>22}{self.rows:>12}{remark}")


def spread(values, digits=2):
    """Median, and from where to where."""
    return f"{measure.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def measured(line, fresh):
    if fresh:
        line.tool.fresh()
    cost = line.tool.run()
    line.add(cost)
    line.rows = line.tool.rows()
    print(f"  {line.name:<22}{cost.wall:8.2f} s {cost.cpu:8.2f} s CPU {cost.peak_kb / 1024:8.1f} MB", flush=True)


def compare(options, sitting):
    """All tools in turns, so that a slow minute of the machine meets all of them."""
    etl = EtlSync(sitting)
    first, second = Line("etl-sync, first load", etl), Line("etl-sync, second run", etl)
    csv = Line("etl-sync, csv", EtlSyncCsv(sitting))
    others = [csv]
    if options.pipe:
        others.append(Line("pipe", Pipe(sitting)))
    if options.pgloader:
        others.append(Line("pgloader", Pgloader(sitting)))
    rows = sitting.source.count(sitting.database, sitting.tables)
    print(f"\n== {options.label}: {len(sitting.tables)} tables, {rows} rows\n\nCommands:")
    for tool in [etl] + [line.tool for line in others]:
        print("  $ " + tool.shown())
    sitting.source.warm(sitting.database, sitting.tables)
    for turn in range(options.repeat):
        print(f"\nRepetition {turn + 1} of {options.repeat}:")
        measured(first, fresh=True)
        measured(second, fresh=False)
        for line in others:
            measured(line, fresh=True)
    report(rows, (first, csv), second, others)
    for line in [first] + others:
        line.tool.drop()


def report(rows, formats, second, others):
    first = formats[0]
    print("\nMedian (lowest-highest):\n")
    print(f"{'':<22}{'wall s':>22}{'client CPU s':>22}{'peak MB':>22}{'rows':>12}")
    for line in [first, second] + others:
        print(line.text(rows))
    print("\netl-sync's seconds hold primary keys, ANALYZE, counts on both sides and synchronous commits; the others do without.")
    print("Ratios of this sitting; per repetition in brackets, below 1 etl-sync needs less:\n")
    for line in others:
        for ours in formats:
            if ours is not line:
                print(f"  {ours.name} / {line.name}:  {ratios(ours, line)}{'' if whole(line, rows) else '  (its load was not complete)'}")


def ratios(ours, theirs):
    text = []
    for what, word in (("wall", "wall"), ("cpu", "CPU"), ("peak_kb", "memory")):
        pairs = [a / b for a, b in zip(ours.values(what), theirs.values(what)) if b]
        middle = measure.median(ours.values(what)) / max(measure.median(theirs.values(what)), 1e-9)
        text.append(f"{word} {middle:.2f} ({min(pairs, default=0):.2f}-{max(pairs, default=0):.2f})")
    return "  ".join(text)


def whole(line, rows):
    """A load that failed is quick; it is no yardstick."""
    return not line.costs[-1].failures and line.rows == rows


def memory(options, sitting):
    """Peak memory at two sizes: a copy that streams needs the same for both."""
    print(f"\n== {options.label}: memory of etl-sync at one and at ten times the rows\n\n  $ {EtlSync(sitting).shown()}\n")
    peaks = {}
    for turn in range(options.repeat):
        for times, database in enumerate((options.database, options.larger)):
            sitting.change_database(database)
            etl = EtlSync(sitting)
            for which in ("first load", "second run"):
                if which == "first load":
                    etl.fresh()
                cost = etl.run()
                peaks.setdefault((times, which), []).append(cost.peak_kb / 1024)
                for failure in cost.failures:
                    print(f"  {failure}; its messages: {etl.log}")
                print(f"  repetition {turn + 1}, {etl.rows():>10} rows, {which}: {cost.peak_kb / 1024:.1f} MB", flush=True)
            etl.drop()
    print()
    for which in ("first load", "second run"):
        small, large = peaks[(0, which)], peaks[(1, which)]
        ratio = measure.median(large) / measure.median(small)
        print(f"  {which}: {spread(small, 1)} MB, ten times the rows {spread(large, 1)} MB, ratio {ratio:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True)
    parser.add_argument("--database", required=True, help="source database")
    parser.add_argument("--etl-sync", required=True, help="the program")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--pipe", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--pgloader", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--larger", help="only measure memory: the database with ten times the rows")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="etl-sync-bench-") as folder:
        sitting = Sitting(options, folder)
        try:
            memory(options, sitting) if options.larger else compare(options, sitting)
        finally:
            keep_messages(folder, os.environ.get("ETL_SYNC_BENCH_LOGS"))


def keep_messages(folder, where):
    """The tools' messages are for finding out why one failed; they stay only when a folder is named."""
    if not where:
        return
    os.makedirs(where, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith(".log"):
            with open(os.path.join(folder, name), "rb") as found, open(os.path.join(where, name), "wb") as kept:
                kept.write(found.read())


if __name__ == "__main__":
    main()
