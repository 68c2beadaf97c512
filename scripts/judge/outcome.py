"""What was found in one table."""
import collections
import dataclasses

SAMPLES = 5


def counter():
    """A field that counts by name."""
    return dataclasses.field(default_factory=collections.Counter)


@dataclasses.dataclass
class Outcome:
    """Counts and examples of one table, or of one range of it.

    `rejected` counts source rows, `nulled` and `stripped` count values, each by kind of breach.
    `how` is merge, key hash, row hash or fast; `exact_because` says why a table could not be
    compared fast, `ranges_different` names the key ranges in which something differs.
    """
    name: str
    status: str = "equal"
    how: str = ""
    source_rows: int = 0
    warehouse_rows: int = 0
    compared: int = 0
    missing: int = 0
    extra: int = 0
    changed: int = 0
    columns: collections.Counter = counter()
    rejected: collections.Counter = counter()
    nulled: collections.Counter = counter()
    stripped: collections.Counter = counter()
    problems: list = dataclasses.field(default_factory=list)
    samples: list = dataclasses.field(default_factory=list)
    exact_because: str = ""
    ranges: int = 0
    ranges_exact: int = 0
    ranges_different: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def differences(self):
        """Rows that differ in any way."""
        return self.missing + self.extra + self.changed

    def rejected_rows(self):
        """Source rows that must be absent in the warehouse."""
        return sum(self.rejected.values())

    def sample(self, kind, key, cells=None):
        """Keep a few examples; what is printed of them is decided by the report."""
        if len(self.samples) < SAMPLES:
            self.samples.append((kind, key, cells))

    def absorb(self, part):
        """Add what was found in one range."""
        for name in "source_rows", "warehouse_rows", "compared", "missing", "extra", "changed":
            setattr(self, name, getattr(self, name) + getattr(part, name))
        for name in "columns", "rejected", "nulled", "stripped":
            getattr(self, name).update(getattr(part, name))
        self.problems += [text for text in part.problems if text not in self.problems]
        self.samples = (self.samples + part.samples)[:SAMPLES]
