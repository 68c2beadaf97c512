"""The text of PostgreSQL's COPY, the form in which both servers' rows are compared."""
import re
from hashlib import blake2b

LONG_CELL = 64             # longer cells are kept as a 128 bit digest in temporary files
TAB = b"\t"
# NULL in COPY text. Cells of a source row are told apart from data that spells \N by identity.
NULL = b"\\N"
ESCAPES = {b"\\": b"\\\\", b"\b": b"\\b", TAB: b"\\t", b"\n": b"\\n", b"\v": b"\\v",
           b"\f": b"\\f", b"\r": b"\\r"}
UNESCAPES = {escaped[1:]: plain for plain, escaped in ESCAPES.items()}
SPECIAL = re.compile(rb"[\\\x08-\x0d]")
ESCAPED = re.compile(rb"\\(.)", re.S)
LONG = re.compile(rb"[^\t]{%d,}" % (LONG_CELL + 1))


class JudgeError(Exception):
    """A problem that is told in one line and ends with exit status 2."""


class OutOfOrder(Exception):
    """The two servers did not sort a key alike: compare by key hash instead."""


def escape(cell):
    """A cell as COPY text prints it."""
    return SPECIAL.sub(lambda m: ESCAPES[m.group()], cell)


def unescape(cell):
    """The bytes behind a cell of COPY text, None for NULL."""
    if cell == NULL:
        return None
    if b"\\" not in cell:
        return cell
    return ESCAPED.sub(lambda m: UNESCAPES.get(m.group(1), m.group(1)), cell)


def digest_long(line):
    """Replace long cells by length and digest; `\\D` cannot be data (a backslash is doubled)."""
    if len(line) <= LONG_CELL:
        return line
    return LONG.sub(lambda m: b"\\D%d:%s" % (
        len(m.group()), blake2b(m.group(), digest_size=16).hexdigest().encode()), line)


def join_rows(rows, nulls, width):
    """Rows of cells -> COPY lines. Cells are escaped only if the block holds anything to escape."""
    lines = list(map(TAB.join, rows))
    text = b"\n".join(lines)
    clean = (text.count(TAB) == len(rows) * (width - 1) and text.count(b"\n") == len(rows) - 1
             and text.count(b"\\") == nulls
             and not any(c in text for c in (b"\r", b"\b", b"\v", b"\f")))
    if clean:
        return lines
    return [TAB.join([c if c is NULL else escape(c) for c in cells]) for cells in rows]


def error_text(error):
    """One line without DETAIL or CONTEXT, which carry row values."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if not primary and error.args and isinstance(error.args[0], int):
        primary = f"{error.args[-1]} ({error.args[0]})"
    text = primary or str(error) or type(error).__name__
    return text.strip().splitlines()[0]
