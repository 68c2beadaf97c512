"""Own rules for every pair of types: how a column is read on both sides and compared."""
import dataclasses

from judge import forms, limits
from judge.policy import Breach

INTS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
DATES = {"date", "datetime", "timestamp"}
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
SPATIAL = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
           "multipolygon", "geometrycollection", "geomcollection"}
PG_INTS = {"int2", "int4", "int8", "numeric"}
PG_DATES = {"date", "timestamp", "timestamptz"}


@dataclasses.dataclass
class Rule:
    """How one column is read and compared.

    `now` runs on every source cell and makes it equal to PostgreSQL's text in all usual cases,
    or says with a Breach that PostgreSQL cannot hold it. `late_source` and `late_target` give
    the final form; they run when the texts differ, and on every cell where rows are hashed.
    Equal texts always mean equal values. `text` cells may hold any bytes and are screened.
    """
    source_sql: str = "{}"
    target_sql: str = "{}"
    now: object = None
    late_source: object = None
    late_target: object = None
    text: bool = False


def chain(*steps):
    """One function of several, of which any may be None; a Breach ends it."""
    steps = [step for step in steps if step]
    if len(steps) < 2:
        return steps[0] if steps else None

    def form(cell):
        for step in steps:
            cell = step(cell)
            if cell.__class__ is Breach:
                break
        return cell
    return form


def bytes_rule(form, pg):
    """Binary data against bytea, uuid, PostGIS or text."""
    fits = None
    if pg == "bytea":
        sql = "encode({}, 'hex')"
    elif pg == "uuid":
        sql, fits = "replace({}::text, '-', '')", limits.uuid_fits
    elif pg in ("geometry", "geography"):
        sql = "lower({}::text)"
    else:
        sql = "encode(convert_to({}::text, 'UTF8'), 'hex')"
    return Rule(target_sql=sql, now=chain(form, fits))


def number_rule(column):
    """Integers, DECIMAL, YEAR, FLOAT and DOUBLE; None for other types."""
    kind, column_type, pg = column.kind, column.column_type, column.pg
    if kind in ("float", "double"):
        # Plain FLOAT and (M,D) columns are rounded for display; * 1e0 gives the stored value.
        shown = kind == "float" or "(" in column_type
        return Rule(source_sql="{} * 1e0" if shown else "{}",
                    target_sql="{}::float8" if pg == "float4" else "{}",
                    late_source=forms.float_form, late_target=forms.float_form)
    if kind in INTS or kind in ("decimal", "year"):
        padded = "zerofill" in column_type or (kind == "year" and pg in PG_INTS)
        return Rule(target_sql="{}::int" if pg == "bool" else "{}",
                    now=chain(forms.cut_zeros if padded else None, limits.number_limit(column)))
    return None


def time_rule(column):
    """DATE, DATETIME, TIMESTAMP and TIME; None for other types."""
    kind, pg = column.kind, column.pg
    if kind in DATES and pg in PG_DATES:
        sql = "{} AT TIME ZONE 'UTC'" if pg == "timestamptz" else "{}"
        return Rule(target_sql=sql, now=chain(limits.date_form(), limits.date_limit(column)))
    if kind == "time" and pg in ("interval", "time"):
        return Rule(now=chain(forms.cut_fraction, limits.time_limit(column)),
                    late_source=forms.interval_form, late_target=forms.interval_form)
    return None


def bit_rule(column):
    """BIT(n) against bit, boolean, bytea and integers."""
    sql = {"bool": "{}::int", "bytea": "encode({}, 'hex')"}.get(column.pg, "{}")
    return Rule(target_sql=sql, now=chain(forms.bit_form(column.column_type, column.pg),
                                          limits.number_limit(column)))


def text_rule(column):
    """Text, ENUM, SET, JSON and whatever else arrives as text."""
    pg = column.pg
    if pg == "jsonb":
        return Rule(now=limits.json_limit, late_source=forms.json_form,
                    late_target=forms.json_form)
    if pg == "inet":
        return Rule(late_source=forms.address_form, late_target=forms.address_form)
    if pg == "uuid":
        return Rule(now=limits.uuid_fits, late_source=forms.uuid_form,
                    late_target=forms.uuid_form)
    if pg == "bytea":  # text kept as bytes
        return bytes_rule(forms.hex_form, pg)
    return Rule(now=limits.length_limit(column), text=True)


def rule_for(column):
    """The rule for a Column: its source type against its PostgreSQL type."""
    kind, pg = column.kind, column.pg
    if kind == "bit":
        return bit_rule(column)
    if kind in BYTES:
        return bytes_rule(forms.hex_form, pg)
    if kind in SPATIAL:
        return bytes_rule(forms.ewkb_form, pg)
    if kind == "vector":
        sql = "{}::float8[]" if pg == "_float4" else "{}"
        return Rule(target_sql=sql, now=forms.vector_form, late_target=forms.vector_text_form)
    return number_rule(column) or time_rule(column) or text_rule(column)
