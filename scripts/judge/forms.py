"""One form per type for values that the two servers spell differently."""
import decimal
import ipaddress
import json
import re
import struct

INTERVAL = re.compile(rb"(?:([+-]?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


def cut_fraction(cell):
    """12:00:00.500 -> 12:00:00.5"""
    return cell.rstrip(b"0").rstrip(b".") if b"." in cell else cell


def cut_zeros(cell):
    """Display zeros of YEAR and ZEROFILL columns: 00042 -> 42, 000.50 -> 0.50"""
    cut = cell.lstrip(b"0")
    return b"0" + cut if not cut or cut[:1] == b"." else cut


def interval_micros(cell):
    """TIME or interval text -> microseconds; None with months or years."""
    match = INTERVAL.fullmatch(cell)
    if not match or not cell:
        return None
    days, sign, hours, minutes, seconds, fraction = match.groups(b"0")
    micros = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000
    micros += int(fraction.ljust(6, b"0"))
    return int(days) * 86_400_000_000 + (-micros if sign == b"-" else micros)


def interval_form(cell):
    """TIME or interval text -> text of its microseconds; anything else stays as it is."""
    micros = interval_micros(cell)
    return cell if micros is None else b"%d us" % micros


def float_form(cell):
    """The exact double behind a number's text; -0 and 0 differ."""
    try:
        return repr(float(cell)).encode()
    except ValueError:
        return cell


def json_number(value):
    """One spelling per exact decimal value: 1.0, 1.00 and 10e-1 are all 1e0."""
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    cut = text.rstrip("0")
    if not cut:
        return "0"
    return f"{'-' if sign else ''}{cut}e{exponent + len(text) - len(cut)}"


def json_text(value):
    """Canonical text of parsed JSON: keys sorted, numbers by exact value."""
    if isinstance(value, decimal.Decimal):
        return json_number(value)
    if isinstance(value, dict):
        inner = (f"{json.dumps(k)}:{json_text(v)}" for k, v in sorted(value.items()))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value)


def refuse_constant(name):
    """NaN and Infinity are Python's own extension of JSON."""
    raise ValueError(name)


def json_form(cell):
    """Canonical JSON; the last of duplicate keys wins. Text that is not JSON stays."""
    try:
        text = cell.decode("utf-8", "surrogateescape")
        return json_text(json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal,
                                    parse_constant=refuse_constant)).encode()
    except (ValueError, ArithmeticError, RecursionError):
        return cell


def hex_form(cell):
    """Bytes as lower case hex, the text of encode(.., 'hex')."""
    return cell.hex().encode()


def ewkb_form(cell):
    """MySQL's 4 byte SRID + WKB as hex of EWKB; without SRID that is plain WKB."""
    srid, wkb = cell[:4], cell[4:]
    if srid != b"\0\0\0\0" and len(wkb) >= 5:
        order = "<" if wkb[0] == 1 else ">"
        kind, = struct.unpack_from(order + "I", wkb, 1)
        number, = struct.unpack("<I", srid)
        wkb = wkb[:1] + struct.pack(order + "II", kind | 0x20000000, number) + wkb[5:]
    return wkb.hex().encode()


def vector_form(cell):
    """Packed little-endian float4 as the text of a PostgreSQL array."""
    return b"{%s}" % b",".join(repr(v).encode() for v, in struct.iter_unpack("<f", cell))


def vector_text_form(cell):
    """{1.5,2} or [1.5,2] with every number in the form of `vector_form`."""
    return b"{%s}" % b",".join(map(float_form, cell.strip(b"{}[]").split(b",")))


def address_form(cell):
    """Any spelling of an IP address."""
    try:
        return ipaddress.ip_address(cell.decode("ascii")).packed.hex().encode()
    except ValueError:
        return cell


def uuid_form(cell):
    """UUID without case, hyphens and braces."""
    return cell.lower().replace(b"-", b"").strip(b"{}")


def bit_form(column_type, pg):
    """BIT(n) arrives as big-endian bytes; the form depends on what it became."""
    width = int((re.search(r"\((\d+)\)", column_type) or [0, 1])[1])
    if pg in ("bit", "varbit"):
        return lambda cell: format(int.from_bytes(cell, "big"), f"0{width}b").encode()
    if pg == "bytea":
        return hex_form
    return lambda cell: b"%d" % int.from_bytes(cell, "big")
