"""Compares one table exactly: every cell of every row of both sides."""
import collections
import os
import tempfile
import zlib

from judge.catalog import quote_source, quote_target
from judge.outcome import Outcome
from judge.policy import Policy
from judge.rules import DATES, INTS, PG_DATES, PG_INTS, rule_for
from judge.stream import BLOCK_ROWS, SourceRows, WarehouseRows
from judge.text import NULL, TAB, OutOfOrder, digest_long, unescape

PARTITION_ROWS = 50_000    # rows per temporary file
MAX_PARTITIONS = 400       # stays below the usual limit of 1024 open files


class TableJudge:
    """Compares one table, or the rows of one pair of conditions, over two open sessions."""

    def __init__(self, source, warehouse, job, options, where=("", "")):
        self.source, self.warehouse = source, warehouse
        self.job, self.options = job, options
        self.rules = [rule_for(column) for column in job.columns]
        self.source_from = (f"{quote_source(options['database'])}.{quote_source(job.name)}"
                            + where[0])
        self.target_from = job.target_from(options["schema"]) + where[1]
        self.begin()

    def begin(self):
        """Start with empty hands."""
        self.found = Outcome(self.job.name, problems=list(self.job.problems))
        self.policy = Policy(self.options["policies"], self.found)

    def run(self):
        """Count, compare, conclude."""
        if self.ordered():
            try:
                self.merge()
            except OutOfOrder:
                self.begin()
                self.by_hash()
        else:
            self.by_hash()
        found = self.found
        found.source_rows, found.warehouse_rows = self.count_rows()
        read = found.compared + found.missing + found.rejected_rows()
        if read != found.source_rows:
            found.problems.append(f"COUNT(*) of the source is {found.source_rows}, but {read} "
                                  "rows were read")
        if found.compared + found.extra != found.warehouse_rows:
            found.problems.append(f"count(*) of the warehouse is {found.warehouse_rows}, but "
                                  f"{found.compared + found.extra} rows were read")
        return found

    def count_rows(self):
        """COUNT(*) of both sides."""
        with self.source.cursor() as cur:
            cur.execute(f"SELECT COUNT(*) FROM {self.source_from}")
            mine = cur.fetchone()[0]
        count = f"SELECT count(*) FROM {self.target_from}"
        return mine, self.warehouse.execute(count).fetchone()[0]

    def ordered(self):
        """Do both servers sort this key alike?"""
        keys = self.job.columns[:self.job.keys]
        return bool(keys) and all(
            c.kind in INTS and c.pg in PG_INTS or c.kind in DATES and c.pg in PG_DATES
            for c in keys)

    def queries(self, ordered):
        """The SELECTs of both sides: same columns, same order, no filter but a range."""
        columns = self.job.columns
        mine = [r.source_sql.format(quote_source(c.name)) for c, r in zip(columns, self.rules)]
        theirs = [r.target_sql.format(quote_target(c.target)) for c, r in zip(columns, self.rules)]
        source = f"SELECT {', '.join(mine)} FROM {self.source_from}"
        target = f"SELECT {', '.join(theirs)} FROM {self.target_from}"
        if ordered:
            keys = columns[:self.job.keys]
            source += " ORDER BY " + ", ".join(quote_source(c.name) for c in keys)
            # Qualified: a bare name would mean the output column, converted to text or not.
            target += " ORDER BY " + ", ".join(
                f"{quote_target(self.job.target)}.{quote_target(c.target)}" for c in keys)
        return source, target

    # -- merge --

    def merge(self):
        """Two ordered streams; equal blocks are compared as lists, others row by row."""
        self.found.how = "merge"
        source_sql, target_sql = self.queries(ordered=True)
        blocks = SourceRows(self.source, source_sql, self.rules, self.policy).blocks()
        rows = WarehouseRows(self.warehouse, target_sql)
        self.last_key = None
        mine, theirs = [], []
        try:
            while True:
                mine = mine or next(blocks, [])
                want = (len(mine) or BLOCK_ROWS) - len(theirs)
                theirs = theirs + rows.read(want)
                if not mine and not theirs:
                    return
                if mine == theirs:
                    self.found.compared += len(mine)
                    mine, theirs = [], []
                else:
                    mine, theirs = self.merge_rows(mine, theirs)
        except OutOfOrder:  # both connections go on: read the rest away
            collections.deque(blocks, maxlen=0)
            while rows.read(BLOCK_ROWS):
                pass
            raise

    def merge_rows(self, mine, theirs):
        """Compare two unequal blocks by key; return what is left of either."""
        found = self.found
        if not theirs:
            for line in mine:
                found.missing += 1
                found.sample("missing", self.key_cells(line))
            return [], []
        if not mine:
            for line in theirs:
                found.extra += 1
                found.sample("extra", self.key_cells(line))
            return [], []
        i = j = 0
        while i < len(mine) and j < len(theirs):
            if mine[i] == theirs[j]:
                found.compared += 1
                i, j = i + 1, j + 1
                continue
            key, other = self.sort_key(mine[i]), self.sort_key(theirs[j])
            if self.last_key is not None and min(key, other) < self.last_key:
                raise OutOfOrder
            self.last_key = min(key, other)
            if key == other:
                found.compared += 1
                self.compare_cells(mine[i], theirs[j])
                i, j = i + 1, j + 1
            elif key < other:
                found.missing += 1
                found.sample("missing", self.key_cells(mine[i]))
                i += 1
            else:
                found.extra += 1
                found.sample("extra", self.key_cells(theirs[j]))
                j += 1
        return mine[i:], theirs[j:]

    def sort_key(self, line):
        """The key in a form that Python orders as the servers do."""
        cells = line.split(TAB, self.job.keys)[:self.job.keys]
        if NULL in cells:
            raise OutOfOrder
        return tuple(int(cell) if column.kind in INTS else cell
                     for cell, column in zip(cells, self.job.columns))

    def key_cells(self, line):
        """Key values for a sample; the whole row has no place there."""
        return [unescape(cell) for cell in line.split(TAB, self.job.keys)[:self.job.keys]]

    def compare_cells(self, mine, theirs):
        """Two rows with one key: which columns differ by value?"""
        differing = {}
        pairs = zip(self.job.columns, self.rules, mine.split(TAB), theirs.split(TAB))
        for column, rule, a, b in pairs:
            if a == b:
                continue
            a, b = unescape(a), unescape(b)
            if a is not None and b is not None:
                left = rule.late_source(a) if rule.late_source else a
                right = rule.late_target(b) if rule.late_target else b
                if left == right:
                    continue
            differing[column.name] = (a, b)
        if differing:
            self.found.changed += 1
            self.found.columns.update(differing.keys())
            self.found.sample("changed", self.key_cells(mine), differing)

    # -- by hash --

    def by_hash(self):
        """Split both sides into the same partitions, then compare each in memory."""
        self.found.how = "key hash" if self.job.keys else "row hash"
        source_sql, target_sql = self.queries(ordered=False)
        theirs = [(i, r.late_target) for i, r in enumerate(self.rules) if r.late_target]
        rows = max(self.count_rows())
        parts = min(MAX_PARTITIONS, rows // PARTITION_ROWS + 1)
        with tempfile.TemporaryDirectory(prefix="judge-", dir=self.options["tmp"]) as folder:
            reader = SourceRows(self.source, source_sql, self.rules, self.policy, final=True)
            self.partition(reader.blocks(), parts, os.path.join(folder, "source"))
            reader = WarehouseRows(self.warehouse, target_sql, theirs)
            self.partition(iter(lambda: reader.read(BLOCK_ROWS), []), parts,
                           os.path.join(folder, "warehouse"))
            for part in range(parts):
                self.compare_partition(*(read_lines(os.path.join(folder, f"{side}{part}"))
                                         for side in ("source", "warehouse")))

    def partition(self, blocks, parts, path):
        """Write lines to `path`0..n by the hash of the key, or of the whole row."""
        keys, crc32 = self.job.keys, zlib.crc32
        files = [open(f"{path}{part}", "wb", buffering=65536) for part in range(parts)]
        try:
            for block in blocks:
                for line in block:
                    if keys == 1:
                        key, tab, rest = line.partition(TAB)
                        line = key + tab + digest_long(rest)
                    elif keys:
                        cells = line.split(TAB, keys)
                        key = TAB.join(cells[:keys])
                        line = TAB.join(cells[:keys] + [digest_long(c) for c in cells[keys:]])
                    else:
                        key = line = digest_long(line)
                    files[crc32(key) % parts].write(line + b"\n")
        finally:
            for file in files:
                file.close()

    def compare_partition(self, mine, theirs):
        """Multiset difference; what is left of both sides is matched by key."""
        found = self.found
        left, right = collections.Counter(mine), collections.Counter(theirs)
        if left == right:
            found.compared += len(mine)
            return
        only_left = list((left - right).elements())
        only_right = list((right - left).elements())
        found.compared += len(mine) - len(only_left)
        waiting = collections.defaultdict(list)
        for line in only_right:
            waiting[tuple(line.split(TAB)[:self.job.keys])].append(line)
        for line in only_left:
            same_key = waiting.get(tuple(line.split(TAB)[:self.job.keys]))
            if self.job.keys and same_key:
                found.compared += 1
                self.compare_cells(line, same_key.pop())
            else:
                found.missing += 1
                found.sample("missing", self.key_cells(line))
        for lines in waiting.values():
            for line in lines:
                found.extra += 1
                found.sample("extra", self.key_cells(line))


def read_lines(path):
    """All lines of a partition without their ends."""
    with open(path, "rb") as file:
        return file.read().split(b"\n")[:-1]
