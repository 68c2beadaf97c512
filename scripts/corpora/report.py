"""What was found: a line per schema and format, totals, and both as markdown."""

import dataclasses
import os

from tools import COUNTS, Verdict, output

WIDTH = 54
HEAD = ("schema", "format", "tables", "rows", "s", "again s", "equal", "differ", "missing", "rows differ", "again wrote",
        "policy")
HEAD_PGLOADER = ("pgloader s", "equal", "differ", "missing", "rows differ")
SIZES = (WIDTH, 8, 7, 8, 7, 8, 6, 7, 8, 12, 15, 14)
SIZES_PGLOADER = (15, 6, 7, 8, 12)
LEGEND = ("rows differ: missing or extra and changed rows, and all rows of tables that are missing or were not compared.\n"
          "again wrote: rows that the second run wrote.  policy: values and rows that a policy took out, etl-sync/judge.")
# What makes the comparison fair, and where it cannot be.
LEGEND_PGLOADER = ("pgloader works with its defaults, but with quoted names; it makes indexes and foreign keys too. Not counted as\n"
                   "differences: blanks at the end of char(n), a FLOAT's digits beyond its precision, arrays in place of a SET;\n"
                   "point and path count, as the judge cannot compare them.")
SHOWN_PROBLEMS = 8


@dataclasses.dataclass
class Line:
    """One schema in one format."""
    corpus: str
    schema: str
    format: str
    tables: int
    rows: int
    seconds: float = 0.0
    again_seconds: float = 0.0
    verdict: Verdict = dataclasses.field(default_factory=Verdict)
    counts: dict = dataclasses.field(default_factory=dict)
    written: tuple = (0, [])
    problems: list = dataclasses.field(default_factory=list)
    pgloader: object = None

    def good(self):
        verdict = self.verdict
        return not (verdict.differ or verdict.missing or verdict.rows_differ or verdict.problems or self.problems
                    or self.wrote())

    def wrote(self):
        said, touched = self.written
        return f"{said} ({len(touched)} tables)" if touched else said

    def cells(self):
        verdict = self.verdict
        return (self.schema, self.format, self.tables, self.rows, f"{self.seconds:.2f}", f"{self.again_seconds:.2f}",
                verdict.equal, verdict.differ, verdict.missing, verdict.rows_differ, self.wrote(),
                f"{sum(self.counts.values())}/{sum(verdict.counts.values())}")

    def pgloader_cells(self, setting):
        if not setting.pgloader_wanted:
            return ()
        if not setting.pgloader:
            return ("not installed", "", "", "", "")
        loaded = self.pgloader
        if loaded is None:
            return ('"', '"', '"', '"', '"')  # the same as in the first format
        how = "" if loaded.code == 0 else " timeout" if loaded.code == "timeout" else f" exit {loaded.code}"
        verdict = loaded.verdict
        return (f"{loaded.seconds:.2f}{how}", verdict.equal, verdict.differ, verdict.missing, verdict.rows_differ)

    def all_problems(self):
        found = self.problems + self.verdict.problems
        if self.written[1]:
            found = found + ["the second run wrote " + ", ".join(self.written[1][:5])]
        return found


def aligned(cells, sizes):
    """Text to the left, numbers to the right."""
    return "".join(f"{cell!s:<{size}}" if position < 2 and size in (WIDTH, 8) else f"{cell!s:>{size}}"
                   for position, (cell, size) in enumerate(zip(cells, sizes)))


def facts(setting):
    found = [output([setting.binary, "--version"]).splitlines()[0], f"MariaDB {setting.source.version()}",
             f"PostgreSQL {setting.warehouse.version()}"]
    if setting.pgloader:
        found.append(output(["pgloader", "--version"]).splitlines()[0])
    return ", ".join(found) + f"; {os.cpu_count()} cores"


def legend(setting):
    return LEGEND + ("\n" + LEGEND_PGLOADER if setting.pgloader else "")


def head(setting):
    print(f"\n{facts(setting)}\n{legend(setting)}\n")
    right = "  |" + aligned(HEAD_PGLOADER, SIZES_PGLOADER) if setting.pgloader_wanted else ""
    print(aligned(HEAD, SIZES) + right, flush=True)


def show(line, setting):
    right = line.pgloader_cells(setting)
    print(aligned(line.cells(), SIZES) + ("  |" + aligned(right, SIZES_PGLOADER) if right else ""))
    problems = line.all_problems()
    for problem in problems[:SHOWN_PROBLEMS]:
        print(f"    {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        print(f"    and {len(problems) - SHOWN_PROBLEMS} more")
    print(end="", flush=True)


class Result:
    """All lines, and what they come to."""

    def __init__(self, setting):
        self.setting, self.lines, self.without_tables = setting, [], []

    def add(self, schema, lines):
        self.lines += lines
        if not lines:
            self.without_tables.append(schema)

    def good(self):
        return bool(self.lines) and all(line.good() for line in self.lines)

    def totals(self):
        """One text per format."""
        for name in self.setting.formats:
            lines = [line for line in self.lines if line.format == name]
            verdicts = [line.verdict for line in lines]
            empty = sum(line.rows == 0 for line in lines)
            yield (f"etl-sync, format {name}: {len(lines)} schemas, {empty} of them without rows; "
                   f"{sum(l.tables for l in lines)} tables, {sum(l.rows for l in lines)} rows in "
                   f"{sum(l.seconds for l in lines):.1f} s, again in {sum(l.again_seconds for l in lines):.1f} s")
            yield (f"    tables equal {sum(v.equal for v in verdicts)}, differ {sum(v.differ for v in verdicts)}, missing "
                   f"{sum(v.missing for v in verdicts)}; rows differ {sum(v.rows_differ for v in verdicts)}; second runs wrote "
                   f"{sum(l.written[0] for l in lines)} rows, touched {sum(len(l.written[1]) for l in lines)} tables")
            counted = [f"{what} {total(lines, what)}/{total(verdicts, what)}" for what in COUNTS]
            yield "    by policy, etl-sync/judge: " + ", ".join(counted)
        yield from self.pgloader_totals()
        if self.without_tables:
            yield f"not counted, without tables: {len(self.without_tables)} schemas"

    def pgloader_totals(self):
        loaded = [line.pgloader for line in self.lines if line.pgloader]
        if not self.setting.pgloader_wanted:
            return
        if not self.setting.pgloader:
            yield "pgloader: not installed"
            return
        verdicts = [one.verdict for one in loaded]
        yield (f"pgloader: {len(loaded)} schemas in {sum(one.seconds for one in loaded):.1f} s, "
               f"{sum(one.code == 'timeout' for one in loaded)} stopped after their time, "
               f"{sum(one.code not in (0, 'timeout') for one in loaded)} ended with an error")
        yield (f"    tables equal {sum(v.equal for v in verdicts)}, differ {sum(v.differ for v in verdicts)}, missing "
               f"{sum(v.missing for v in verdicts)}; rows differ {sum(v.rows_differ for v in verdicts)}; zero dates to NULL "
               f"{total(verdicts, 'zero_dates')}")
        by_type = {}
        for one in loaded:
            for kind, number in one.by_type.items():
                by_type[kind] = by_type.get(kind, 0) + number
        if by_type:
            yield ("    values that differ by the type of their column, where rows have a key in common: "
                   + ", ".join(f"{kind} {number}" for kind, number in sorted(by_type.items(), key=lambda item: -item[1])))

    def conclude(self):
        print()
        for text in self.totals():
            print(text)
        bad = [line for line in self.lines if not line.good()]
        for line in bad:
            print(f"NOT EQUAL: {line.schema}, format {line.format}")
        print("all arrived" if self.good() else f"{len(bad)} of {len(self.lines)} lines are not as they should be", flush=True)

    def markdown(self):
        wanted = self.setting.pgloader_wanted
        names = HEAD + ((HEAD_PGLOADER[0], *(f"pgloader: {name}" for name in HEAD_PGLOADER[1:])) if wanted else ())
        rows = [names, ["---"] * 2 + ["---:"] * (len(names) - 2)]
        rows += [line.cells() + line.pgloader_cells(self.setting) for line in self.lines]
        table = "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
        problems = [f"- {line.schema}, {line.format}: {problem}".replace("`", "'")
                    for line in self.lines for problem in line.all_problems()]
        totals = "\n".join(text.replace("    ", "  - ", 1) if text[0] == " " else "- " + text for text in self.totals())
        parts = ["# Corpora", facts(self.setting), legend(self.setting), table, totals]
        if problems:
            parts += ["## What is not as it should be", "\n".join(problems)]
        return "\n\n".join(parts) + "\n"


def total(found, what):
    return sum(number for one in found for (_, name), number in one.counts.items() if name == what)
