"""Which source values fit the PostgreSQL type they are to become.

Every function gives a form: the value's text, or a Breach. A column whose source type cannot
exceed its target type has no limit, and its values are not looked at.
"""
import datetime
import decimal
import json
import re

from judge.forms import interval_micros, refuse_constant, uuid_form
from judge.policy import NUL_BYTES, OUT_OF_RANGE, ZERO_DATES, Breach, text_breach

INT_BITS = {"int2": 16, "int4": 32, "int8": 64}
SOURCE_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "year": 13}
SOURCE_DIGITS = {"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "bigint": 20, "year": 4}
# PostgreSQL's numeric: digits before and after the point.
NUMERIC_DIGITS, NUMERIC_SCALE = 131072, 16383
# The escape of a NUL, behind an even number of backslashes.
NUL_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
# Numbers that are worth a closer look.
HUGE_NUMBER = re.compile(rb"\d[eE][+-]?\d{4,}|\d{4000,}")
DAY_MICROS = 86_400_000_000


def unfit(cell):
    """A breach of the target type."""
    return Breach((OUT_OF_RANGE,), cell)


def bracket(column_type):
    """The numbers in brackets: [8, 2] of decimal(8,2)."""
    match = re.search(r"\(([\d,]+)\)", column_type)
    return [int(number) for number in match[1].split(",")] if match else []


# --- numbers ------------------------------------------------------------------------------

def number_limit(column):
    """Integers, YEAR, BIT and DECIMAL in boolean, integer and numeric columns."""
    if column.pg == "bool":
        return lambda cell: cell if cell in (b"0", b"1") else unfit(cell)
    if column.pg in INT_BITS:
        return integer_limit(column)
    if column.pg == "numeric" and column.mod >= 4:
        return numeric_limit(column)
    return None


def integer_limit(column):
    """A wider integer, or a DECIMAL, in int2, int4 or int8."""
    bits = INT_BITS[column.pg]
    unsigned = "unsigned" in column.column_type or column.kind == "bit"
    if column.kind == "bit":
        own = (bracket(column.column_type) or [1])[0]
    else:
        own = SOURCE_BITS.get(column.kind, 1000)
    if own + unsigned <= bits:
        return None
    limit = 1 << (bits - 1)

    def form(cell):
        value = decimal.Decimal(cell.decode("ascii"))
        if value != value.to_integral_value() or not -limit <= value < limit:
            return unfit(cell)
        return b"%d" % value
    return form


def numeric_limit(column):
    """Integers and DECIMAL in numeric(p,s) with fewer digits on either side of the point."""
    precision, scale = column.mod - 4 >> 16, (column.mod - 4) & 0x7FF
    if scale >= 1024:  # negative scales exist since PostgreSQL 15
        scale -= 2048
    if column.kind == "decimal":
        own = bracket(column.column_type) or [10, 0]
        digits, own_scale = own[0] - own[1], own[1]
    else:
        digits, own_scale = SOURCE_DIGITS.get(column.kind, 20), 0
    if digits <= precision - scale and own_scale <= scale:
        return None

    def form(cell):
        whole, _, fraction = cell.lstrip(b"-").partition(b".")
        lost = fraction[max(scale, 0):] + (whole[scale:] if scale < 0 else b"")
        if len(whole.lstrip(b"0")) > precision - scale or lost.strip(b"0"):
            return unfit(cell)
        return cell
    return form


# --- dates and times ----------------------------------------------------------------------

def date_form():
    """Cut trailing zeros of the fraction; a date that no calendar has is a breach."""
    known = {}

    def valid(day):
        try:
            datetime.date(int(day[:4]), int(day[5:7]), int(day[8:10]))
            return True
        except ValueError:
            return False

    def form(cell):
        day = cell[:10]
        if day not in known:
            if len(known) > 100_000:
                known.clear()
            known[day] = valid(day)
        if not known[day]:
            return Breach((ZERO_DATES,), cell)
        return cell.rstrip(b"0").rstrip(b".") if len(cell) > 19 else cell
    return form


def fraction_limit(own, digits):
    """A fraction of a second with more digits than the target column has."""
    if own <= digits:
        return None
    return lambda cell: unfit(cell) if len(cell.partition(b".")[2]) > digits else cell


def date_limit(column):
    """DATETIME in a date (only midnight fits), DATE in a timestamp, cut fractions."""
    if column.kind == "date":
        return None if column.pg == "date" else lambda cell: cell + b" 00:00:00"
    if column.pg == "date":
        return lambda cell: cell[:10] if cell[10:] == b" 00:00:00" else unfit(cell)
    own = (bracket(column.column_type) or [0])[0]
    return fraction_limit(own, column.mod if 0 <= column.mod < 6 else 6)


def time_limit(column):
    """TIME in a time column: a day at most, never negative; cut fractions."""
    own = (bracket(column.column_type) or [0])[0]
    digits = column.mod & 0xFFFF if column.mod >= 0 else 6
    cut = fraction_limit(own, min(digits, 6))
    if column.pg != "time":
        return cut

    def form(cell):
        micros = interval_micros(cell)
        if micros is None or not 0 <= micros <= DAY_MICROS:
            return unfit(cell)
        return cut(cell) if cut else cell
    return form


# --- text ---------------------------------------------------------------------------------

def length_limit(column):
    """More characters than varchar(n) or char(n) takes."""
    if column.pg not in ("varchar", "bpchar") or column.mod < 4:
        return None
    limit = column.mod - 4
    if column.kind in ("char", "varchar") and (bracket(column.column_type) or [1])[0] <= limit:
        return None

    def form(cell):
        if len(cell) > limit and len(cell.decode("utf-8", "ignore")) > limit:
            return text_breach(cell) or unfit(cell)
        return cell
    return form


def uuid_fits(cell):
    """32 hexadecimal digits, however they are parted."""
    digits = uuid_form(cell)
    return cell if re.fullmatch(rb"[0-9a-f]{32}", digits) else unfit(cell)


def json_limit(cell):
    """JSON that jsonb refuses: NUL, invalid UTF-8, lone surrogates, huge numbers, broken text."""
    kinds, rest = (), cell
    bytewise = text_breach(cell)
    if bytewise:
        kinds, rest = bytewise.kinds, bytewise.stripped
    if b"\\u0000" in rest and NUL_ESCAPE.search(rest):
        rest = NUL_ESCAPE.sub(rb"\1", rest)
        kinds = kinds if NUL_BYTES in kinds else (NUL_BYTES,) + kinds
    if not jsonb_takes(rest):
        kinds += (OUT_OF_RANGE,)
    return Breach(kinds, cell, rest) if kinds else cell


def jsonb_takes(cell):
    """Would PostgreSQL read this text (UTF-8, no NUL) as jsonb?"""
    try:
        text = cell.decode()
        # float() takes any number at full speed; the huge ones are looked at below.
        value = json.loads(text, parse_int=float, parse_constant=refuse_constant)
        if b"\\u" in cell:
            json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
        if HUGE_NUMBER.search(cell):
            json.loads(text, parse_int=fitting_number, parse_float=fitting_number)
        return True
    except (ValueError, ArithmeticError):
        return False
    except RecursionError:  # deeper than Python goes: the comparison decides
        return True


def fitting_number(text):
    """Raises for a number that PostgreSQL's numeric refuses."""
    sign_digits, _, exponent = text.lower().partition("e")
    whole, _, fraction = sign_digits.lstrip("-").partition(".")
    power = int(exponent or 0)
    if abs(power) >= 2 ** 30:
        raise OverflowError
    first = len((whole + fraction).lstrip("0")) - len(fraction) + power
    if (whole + fraction).strip("0") and first > NUMERIC_DIGITS:
        raise OverflowError
    if len(fraction) - power > NUMERIC_SCALE:
        raise OverflowError
    return text
