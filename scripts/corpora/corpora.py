#!/usr/bin/python3
"""Loads corpora, syncs and judges every schema of them. Started by scripts/corpora.sh, which says what it is for."""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import report
import tools
from servers import Refused, Source, Warehouse

NEEDS = {"pgloader_mysql": ["sakila"]}  # its views look into the other one's tables
FORMATS = ("csv", "binary", "auto", "default")


def listed(text):
    """The words of a list with commas."""
    return [word for word in text.split(",") if word]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--etl-sync", required=True)
    parser.add_argument("--formats", required=True, type=listed)
    parser.add_argument("--only", type=listed, default=[])
    parser.add_argument("--pgloader", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    unknown = [name for name in options.formats if name not in FORMATS]
    if unknown or not options.formats:
        raise Refused(f"--formats: {', '.join(unknown) or 'nothing'} is not one of {', '.join(FORMATS)}")
    return options


def expected_rows(corpus):
    """{schema: {table: rows}} as counts.tsv of a corpus says."""
    expected = {}
    for line in (corpus / "counts.tsv").read_text(encoding="utf-8").splitlines():
        name, rows = line.rsplit("\t", 1)
        schema, table = name.split(".", 1)
        expected.setdefault(schema, {})[table] = int(rows)
    return expected


class Corpora:
    """The chosen corpora, and the schemas that their loaders made."""

    def __init__(self, folder, only, source):
        self.folder, self.source = folder.resolve(), source
        self.names = sorted(path.parent.name for path in self.folder.glob("*/load.sh"))
        if not self.names:
            raise Refused(f"no corpus with load.sh in {folder}")
        self.whole = set(only or self.names) & set(self.names)
        self.single = {name: self.corpus_of(name) for name in only if name not in self.names}

    def corpus_of(self, schema):
        """A loader names its schemas after its corpus."""
        fitting = [name for name in self.names if schema.startswith(name + "_")]
        if not fitting:
            raise Refused(f"--only: there is no corpus or schema {schema}")
        return max(fitting, key=len)

    def order(self):
        """Corpora to load, each after those that it needs."""
        order = []
        for name in sorted(self.whole | set(self.single.values())):
            order += [need for need in NEEDS.get(name, []) if need not in order]
            order += [name] if name not in order else []
        return order

    def load(self):
        """[(corpus, schema, {table: rows} by counts.tsv or None)] of what was loaded and chosen."""
        chosen = []
        for name in self.order():
            expected = expected_rows(self.folder / name)
            for schema in self.load_one(name, expected):
                if name in self.whole or self.single.get(schema) == name:
                    chosen.append((name, schema, expected.get(schema)))
        absent = sorted(set(self.single) - {schema for _, schema, _ in chosen})
        if absent:
            raise Refused(f"--only: {', '.join(absent)} was not among the schemas that were loaded")
        return chosen

    def load_one(self, name, expected):
        before = self.source.databases()
        taken = sorted(before & set(expected))
        if taken:
            raise Refused(f"{', '.join(taken)} exists already on this MariaDB, and the loader of {name} would replace it")
        self.source.record(expected)
        print(f"loading {name}", flush=True)
        client = f"mariadb --no-defaults -uroot -S {self.source.socket}"
        done = tools.finish([str(self.folder / name / "load.sh")], {"MY": client, "MYSQL_PWD": self.source.password},
                            f"load-{name}", 900)
        # A file may make a database under a name of its own; somebody else's new database has a name it does not know.
        made = {schema for schema in self.source.databases() - before if schema in expected or self.mentions(name, schema)}
        self.source.record(made)
        if done.code != 0:
            raise Refused(f"the loader of {name} ended with {done.code}: {done.last_line()}")
        return sorted(made)

    def mentions(self, name, schema):
        return schema.startswith(name + "_") or subprocess.run(
            ["grep", "-rqwF", "--", schema, str(self.folder / name)], check=False).returncode == 0


def check_schema(setting, corpus, schema, expected):
    """Lines of one schema, one per format."""
    rows = setting.source.rows(schema)
    if not rows:
        return []
    lines = []
    for position, name in enumerate(setting.formats):
        line = report.Line(corpus, schema, name, len(rows), sum(rows.values()))
        if expected is not None and {t.replace("\t", "?").replace("\n", "?"): n for t, n in rows.items()} != expected:
            line.problems.append("loaded rows are not those of counts.tsv")
        tools.sync_and_judge(setting, line, rows)
        if position == 0 and setting.pgloader:
            line.pgloader = tools.pgloader_and_judge(setting, schema, rows)
        lines.append(line)
        report.show(line, setting)
    return lines


def run(options, source, warehouse):
    """Exit status."""
    setting = tools.Setting(options, source, warehouse)
    tools.check_judge()
    chosen = Corpora(options.corpora, options.only, source).load()
    result = report.Result(setting)
    report.head(setting)
    for corpus, schema, expected in chosen:
        lines = check_schema(setting, corpus, schema, expected)
        result.add(schema, lines)
    result.conclude()
    if options.report:
        options.report.write_text(result.markdown(), encoding="utf-8")
    return 0 if result.good() else 1


def clean(source, warehouse):
    """Whatever happened, nothing of this run stays on the servers."""
    try:
        if warehouse:
            warehouse.clean()
    finally:
        if source and source.ours:
            source.clean()


def main(arguments, run):
    """What `run` gives for the options that `arguments` reads, with the servers at hand and clean again afterwards."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    source = warehouse = None
    try:
        options = arguments()
        source = Source()
        warehouse = Warehouse(source)
        try:
            clean(source, warehouse)  # what a killed run left
            source.keep_record()
            with tempfile.TemporaryDirectory(prefix="etl-sync-corpora-") as folder:
                tools.FOLDER = Path(folder)
                return run(options, source, warehouse)
        finally:
            # A second signal shall not leave half of it behind.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            clean(source, warehouse)
    except Refused as reason:
        print(f"corpora.sh: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(arguments, run))
