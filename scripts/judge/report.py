"""The result for people and for machines."""
import collections
import dataclasses
import json
import sys

COUNTERS = "columns", "rejected", "nulled", "stripped"


def show(value):
    """A value for people; invalid UTF-8 is shown as \\xNN."""
    return "NULL" if value is None else repr(value.decode("utf-8", "backslashreplace"))


def policy_texts(found):
    """What the policies explain: rows that must be absent, values that must be NULL or cut."""
    return [f"{what}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
            for what, counts in (("rejected rows", found.rejected),
                                 ("values -> NULL", found.nulled),
                                 ("values stripped", found.stripped)) if counts]


def form_text(outcome):
    """Which form compared this table, and why not the fast one."""
    if outcome.how == "fast":
        return f"fast, {outcome.ranges} ranges, {outcome.ranges_exact} compared exactly"
    if outcome.exact_because:
        return f"{outcome.how}, exact because {outcome.exact_because}"
    return outcome.how


def range_texts(outcome, show_keys):
    """The bounds of ranges are key values."""
    if not show_keys:
        return ""
    return ": " + ", ".join(f"{'' if low is None else low} .. {'' if high is None else high - 1}"
                            for low, high in outcome.ranges_different)


def print_outcome(outcome, show_keys, show_values):
    """One line per table, plus what was wrong with it."""
    line = (f"{outcome.status:<9}  {outcome.name}  source {outcome.source_rows}  "
            f"warehouse {outcome.warehouse_rows}  differences {outcome.differences()}")
    if outcome.differences():
        line += f" (missing {outcome.missing}, extra {outcome.extra}, changed {outcome.changed})"
    if outcome.columns:
        line += "  columns " + ", ".join(f"{n} {c}" for n, c in sorted(outcome.columns.items()))
    line += "".join(f"  {text}" for text in policy_texts(outcome))
    if outcome.how:
        line += f"  [{form_text(outcome)}, {outcome.seconds:.1f} s]"
    print(line)
    if outcome.ranges > 1 and outcome.ranges_different:
        print(f"           key ranges that differ: {len(outcome.ranges_different)} of "
              f"{outcome.ranges}" + range_texts(outcome, show_keys or show_values))
    for problem in outcome.problems:
        print(f"           {problem}")
    for kind, key, cells in outcome.samples if show_keys or show_values else ():
        print(f"           {kind} key ({', '.join(map(show, key)) or 'none'})")
        for name, (mine, theirs) in (cells or {}).items() if show_values else ():
            print(f"             {name}: {show(mine)} | {show(theirs)}")
    sys.stdout.flush()
    return outcome


def conclude(outcomes, allow_empty):
    """(exit status, word for it, totals)."""
    compared = [o for o in outcomes if o.how]
    total = {
        "tables": len(outcomes), "tables_compared": len(compared),
        "source_rows": sum(o.source_rows for o in outcomes),
        "warehouse_rows": sum(o.warehouse_rows for o in outcomes),
        "rows_compared": sum(o.compared for o in outcomes),
        "missing": sum(o.missing for o in outcomes),
        "extra": sum(o.extra for o in outcomes),
        "changed": sum(o.changed for o in outcomes),
        "rejected_rows": sum(o.rejected_rows() for o in outcomes),
        "tables_fast": sum(o.how == "fast" for o in compared),
    }
    for name in COUNTERS[1:]:
        total[name] = dict(sum((getattr(o, name) for o in outcomes), collections.Counter()))
    if any(o.status in ("different", "unchecked") for o in outcomes):
        return 1, "DIFFERENT", total
    if any(o.status == "error" for o in outcomes):
        return 2, "ERROR: not every table could be read", total
    checked = total["rows_compared"] + total["rejected_rows"]
    if not compared or (checked == 0 and not allow_empty):
        return 1, "NOTHING COMPARED", total
    if checked < total["source_rows"]:
        return 1, "INCOMPLETE: fewer rows compared than the source has", total
    return 0, "EQUAL", total


def print_summary(word, total, outcomes, seconds):
    """The totals, the differing columns over all tables and the verdict."""
    rate = total["rows_compared"] / seconds if seconds else 0
    print(f"tables compared {total['tables_compared']} of {total['tables']}, "
          f"rows compared {total['rows_compared']} of {total['source_rows']} "
          f"in {seconds:.1f} s ({rate:.0f} rows/s)")
    print(f"rows missing {total['missing']}, extra {total['extra']}, changed {total['changed']}"
          + f", rejected {total['rejected_rows']}")
    for what, name in (("rejected rows", "rejected"), ("values -> NULL", "nulled"),
                       ("values stripped", "stripped")):
        if total[name]:
            print(f"{what}: " + ", ".join(f"{k} {n}" for k, n in sorted(total[name].items())))
    if any(o.how == "fast" or o.exact_because for o in outcomes):
        print(f"fast form {total['tables_fast']} tables, exact form "
              f"{total['tables_compared'] - total['tables_fast']}")
    columns = [f"{o.name}.{name} {count}" for o in sorted(outcomes, key=lambda o: o.name)
               for name, count in sorted(o.columns.items())]
    if columns:
        print("columns that differ: " + ", ".join(columns))
    print(f"RESULT: {word}")


def write_json(path, status, word, total, outcomes, notes, args):
    """The same for machines; keys and values under the same two switches."""
    tables = []
    for outcome in sorted(outcomes, key=lambda o: o.name):
        entry = dataclasses.asdict(outcome)
        entry.update((name, dict(getattr(outcome, name))) for name in COUNTERS)
        entry["rejected_rows"] = outcome.rejected_rows()
        entry["ranges_different"] = len(outcome.ranges_different)
        entry["samples"] = [
            {"kind": kind, "key": [show(k) for k in key],
             **({"cells": {n: [show(a), show(b)] for n, (a, b) in (cells or {}).items()}}
                if args.show_values else {})}
            for kind, key, cells in outcome.samples if args.show_keys or args.show_values]
        tables.append(entry)
    report = {"exit": status, "result": word, **total, **notes, "by_table": tables}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
