"""Source values that PostgreSQL cannot hold, and what a sync was told to do with them.

The judge finds such values itself, in the source's rows; it never asks the product which ones
it met. What must become of them is an option per kind:

  reject  the row must be absent in the warehouse
  null    the value must be NULL
  strip   the value must be there without the bytes that PostgreSQL refuses
  strict  nothing excuses such a value: whatever stands in the warehouse is a difference
"""
from judge.text import NULL

ZERO_DATES, NUL_BYTES = "zero_dates", "nul_bytes"
INVALID_UTF8, OUT_OF_RANGE = "invalid_utf8", "out_of_range"
# kind: (choices, the first one is the default; explanation)
POLICIES = {
    ZERO_DATES: (("null", "reject", "strict"), "zero, partial and impossible dates"),
    NUL_BYTES: (("reject", "strip", "null", "strict"),
                r"NUL bytes in text, the escape \u0000 in JSON that becomes jsonb"),
    INVALID_UTF8: (("reject", "strip", "null", "strict"), "bytes that are not UTF-8"),
    OUT_OF_RANGE: (("reject", "null", "strict"),
                   "values that do not fit the column's type in the warehouse"),
}


class Breach:
    """A value that PostgreSQL cannot hold: why, the value itself, and what stripping leaves."""
    __slots__ = ("kinds", "raw", "stripped")

    def __init__(self, kinds, raw, stripped=None):
        self.kinds, self.raw = kinds, raw
        self.stripped = raw if stripped is None else stripped


def valid_utf8(cell):
    """Python and PostgreSQL refuse the same bytes: surrogates, overlong forms, past U+10FFFF."""
    try:
        cell.decode()
        return True
    except UnicodeDecodeError:
        return False


def text_breach(cell):
    """The breach of a text value, or None."""
    kinds, stripped = (), cell
    if not valid_utf8(cell):
        kinds, stripped = (INVALID_UTF8,), cell.decode("utf-8", "ignore").encode()
    if b"\0" in cell:
        kinds, stripped = (NUL_BYTES,) + kinds, stripped.replace(b"\0", b"")
    return Breach(kinds, cell, stripped) if kinds else None


class Policy:
    """Applies the chosen policies to source rows and counts into an Outcome."""

    def __init__(self, choices, found):
        self.choices, self.found = choices, found

    def settle(self, cells, breaches):
        """Put what must be in the warehouse into the row's cells; False: the row must be absent."""
        for _, breach in breaches:
            for kind in breach.kinds:
                if self.choices[kind] == "reject":
                    self.found.rejected[kind] += 1
                    return False
        for i, breach in breaches:
            cells[i] = self.value(breach)
        return True

    def value(self, breach):
        """What one value must be. Strict goes first, and null leaves nothing to strip."""
        for choice in "strict", "null":
            for kind in breach.kinds:
                if self.choices[kind] == choice:
                    if choice == "strict":
                        return breach.raw
                    self.found.nulled[kind] += 1
                    return NULL
        self.found.stripped.update(breach.kinds)
        return breach.stripped
