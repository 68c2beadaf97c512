#!/usr/bin/python3
"""Makes the sample clinic: a MariaDB database of 446 tables, shaped like a dental practice's.

Called as: scripts/clinic.py --scale 0.01 --seed 1. It connects as the administrator that "scripts/servers.sh env"
exports, or through --socket. The server makes the rows itself, from its SEQUENCE engine: each value is an
expression over the row's number and constants drawn from the seed, so the same seed and scale always give the same
data. scripts/clinic/ holds the tables (tables.tsv), the columns of the big ones (shapes.txt) and the word lists.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent / "clinic"
MARK = "sample clinic, made by scripts/clinic.py"
TINY = 25  # up to this many rows a table keeps whatever the scale is
FIRST, LAST = 1230768000, 1751241600  # 2009-01-01 and 2025-06-30: when the clinic worked (UTC)
DAY = 86400
PHRASE = 44  # average length of an entry of the list "note"

# What a column of this name refers to. These tables have keys without gaps, so a reference finds its row.
REFERENCES = {
    "PatNum": "patient", "Guarantor": "patient", "ResponsParty": "patient", "ProcNum": "procedurelog",
    "AptNum": "appointment", "ProvNum": "provider", "PriProv": "provider", "SecProv": "provider",
    "ProvTreat": "provider", "ProvBill": "provider", "ProvHyg": "provider", "ClaimNum": "claim", "PayNum": "payment",
    "CodeNum": "procedurecode", "SheetNum": "sheet", "ClaimProcNum": "claimproc", "AdjNum": "adjustment",
    "PlanNum": "insplan", "InsSubNum": "inssub", "FeeSched": "feesched", "DocNum": "document",
    "StatementNum": "statement", "SecurityLogNum": "securitylog", "PerioExamNum": "perioexam", "UserNum": "userod",
    "SecUserNumEntry": "userod", "HistUserNum": "userod", "Op": "operatory", "CovCatNum": "covcat",
    "SheetDefNum": "sheetdef", "EmployerNum": "employer", "DefNum": "definition", "CarrierNum": "carrier",
}  # fmt: skip
REQUIRED = {"PatNum", "ProvNum", "CodeNum", "SheetNum", "SecurityLogNum", "PerioExamNum", "UserNum", "HistUserNum"}

# For the small tables: how often each type occurs among the clinic's columns, and names to choose from.
TYPE_MIX = [
    ("i64", 427), ("vc", 321), ("i8", 190), ("u8", 95), ("date", 86), ("f64", 80), ("text", 74), ("i32", 67),
    ("dt", 59), ("b1", 14), ("i16", 13), ("time", 12), ("c", 11), ("u16", 8), ("f32", 6), ("mtext", 3),
]  # fmt: skip
NAMES = {
    "i64": "PatNum ProvNum ClinicNum UserNum FKey CodeNum PlanNum DefNum CarrierNum AptNum StatementNum SiteNum",
    "vc": "Description Title Code Abbr LName FName Phone Address City State Zip Email FileName ExternalId GroupName",
    "i8": "ItemOrder Kind Status IsHidden Source Mode Level IsActive Priority",
    "b1": "IsDefault IsShown IsLocked HasNote",
    "u8": "Category TypeOf Position Quantity IsSigned IsComplete",
    "date": "DateEntry DateStart DateTerm DateSent DateDue DateReceived",
    "f64": "Amount Balance Fee Discount Total",
    "text": "Note Comments Instructions Message Signature",
    "mtext": "RawBase64 BodyText",
    "i32": "Width Height XPos YPos Color SortOrder Minutes",
    "dt": "DateTEntry DateTimeSent DateTimeSeen DateTimeLast",
    "i16": "Score Tooth",
    "u16": "Sequence Length",
    "time": "TimeStart TimeStop",
    "c": "Marker Letter",
    "f32": "FontSize Ratio",
}
VARCHAR_SIZES = [255, 255, 255, 255, 100, 100, 50, 20, 15, 10]

SQL_TYPES = {
    "i8": "tinyint(4)", "b1": "tinyint(1)", "i16": "smallint(6)", "i32": "int(11)", "i64": "bigint(20)",
    "u8": "tinyint(3) unsigned", "u16": "smallint(5) unsigned", "f32": "float", "f64": "double", "date": "date",
    "dt": "datetime", "time": "time", "text": "text", "mtext": "mediumtext",
}  # fmt: skip
SIZES = {"i8": 1, "b1": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "f32": 4, "date": 3, "time": 3, "ts": 4}


class Column:
    def __init__(self, name, kind, nullable=False, auto=False):
        self.name, self.nullable, self.auto = name, nullable, auto
        found = re.fullmatch(r"(vc|c)(\d+)", kind)
        self.kind, self.length = (found[1], int(found[2])) if found else (kind, 0)

    def ddl(self):
        null = "DEFAULT NULL" if self.nullable else "NOT NULL DEFAULT "
        if self.auto:
            return f"`{self.name}` bigint(20) NOT NULL AUTO_INCREMENT"
        if self.kind in ("vc", "c"):
            kind = f"{'varchar' if self.kind == 'vc' else 'char'}({self.length})"
            return f"`{self.name}` {kind} {null}" + ("" if self.nullable else "''")
        if self.kind in ("text", "mtext"):
            # Only these hold characters of four bytes; the tables themselves are utf8mb3.
            kind = SQL_TYPES[self.kind] + " CHARACTER SET utf8mb4"
            return f"`{self.name}` {kind} {'DEFAULT NULL' if self.nullable else 'NOT NULL'}"
        if self.kind == "ts":
            return f"`{self.name}` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()"
        start = {"date": "'0001-01-01'", "dt": "'0001-01-01 00:00:00'", "time": "'00:00:00'"}.get(self.kind, "0")
        return f"`{self.name}` {SQL_TYPES[self.kind]} {null}" + ("" if self.nullable else start)


class Table:
    def __init__(self, name, rows, width, row_bytes, key, stamp, engine):
        self.name, self.full_rows, self.width, self.row_bytes = name, int(rows), int(width), int(row_bytes)
        self.stamp = None if stamp == "-" else stamp
        self.engine = {"m": "MyISAM", "i": "InnoDB"}[engine]
        self.counter = not key.endswith("!") and "+" not in key and ":" not in key and key != "-"
        self.key = []
        for part in [] if key == "-" else key.rstrip("!").split("+"):
            column, _, kind = part.partition(":")
            self.key.append(Column(column, kind or "i64", auto=self.counter))
        self.columns = []

    def rows(self, scale):
        return max(min(self.full_rows, TINY), round(self.full_rows * scale))


def number_from(*parts):
    """A number that depends on these parts only: the same in every Python and on every machine."""
    return int.from_bytes(hashlib.md5("|".join(map(str, parts)).encode()).digest()[:6], "big")


def literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


# --- reading the lists -----------------------------------------------------------------------------------------


def sections(file):
    """The [name] sections of a file: name -> its lines, comments and blank lines left out."""
    found, lines = {}, None
    for line in (HERE / file).read_text(encoding="utf-8").split("\n"):
        if line.startswith("[") and line.endswith("]"):
            lines = found.setdefault(line[1:-1], [])
        elif line.strip() and not line.startswith("#") and lines is not None:
            lines.append(line)
    return found


def read_words():
    escapes = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\s": " ", "\\\\": "\\"}
    return {
        name: [re.sub(r"\\[nrts\\]", lambda found: escapes[found[0]], line) for line in lines]
        for name, lines in sections("words.txt").items()
    }


def read_tables():
    tables = {}
    for line in (HERE / "tables.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            table = Table(*line.split("\t"))
            tables[table.name] = table
    for name, lines in sections("shapes.txt").items():
        columns = []
        for item in " ".join(lines).split(", "):
            column, kind = item.split(" ")
            columns.append(Column(column, kind.rstrip("#?^"), nullable=kind.endswith("?"), auto=kind.endswith("#")))
        tables[name].columns = columns
    for table in tables.values():
        if not table.columns:
            table.columns = small_columns(table)
    return tables


def small_columns(table):
    """The columns of a table that shapes.txt does not describe: drawn from the type mix by the table's name."""
    columns = list(table.key)
    taken = {column.name.lower() for column in columns} | {(table.stamp or "").lower()}
    total = sum(weight for _, weight in TYPE_MIX)
    while len(columns) < table.width - bool(table.stamp):
        place = len(columns)
        draw = number_from(table.name, place, "type") % total
        for kind, weight in TYPE_MIX:  # noqa: B007 - the kind at which the draw runs out
            draw -= weight
            if draw < 0:
                break
        names = NAMES[kind].split()
        name = base = names[number_from(table.name, place, "name") % len(names)]
        copy = 1
        while name.lower() in taken:
            copy += 1
            name = f"{base}{copy}"
        taken.add(name.lower())
        nullable = kind in ("vc", "c", "text", "mtext", "time") and number_from(table.name, place, "null") % 3 == 0
        if kind == "vc":
            kind += str(VARCHAR_SIZES[number_from(table.name, place, "size") % len(VARCHAR_SIZES)])
        elif kind == "c":
            kind += str(1 + number_from(table.name, place, "size") % 2)
        columns.append(Column(name, kind, nullable=nullable))
    if table.stamp:
        columns.append(Column(table.stamp, "ts"))
    return columns


# --- values ----------------------------------------------------------------------------------------------------


class Values:
    """The SQL expression of every column of one table."""

    def __init__(self, clinic, table):
        self.clinic, self.table = clinic, table
        self.rows = max(1, table.rows(clinic.scale))
        self.text_length = self.room_for_text()

    def hash(self, column, use=""):
        """32 bits that look random, over the row's number and the seed."""
        drawn = number_from(self.clinic.seed, self.table.name, column.name, use)
        return f"crc32(s.seq*{(drawn >> 16) % 1000003 * 2 + 1}+{drawn % 65521})"

    def share(self, column, shares):
        """One of the shares (percent), by the column's name: columns differ in how much they are used."""
        return shares[number_from(self.table.name, column.name, "share") % len(shares)]

    def room_for_text(self):
        """How long the notes must be on average for the table to have its bytes per row."""
        fixed, notes = 20, 0
        for column in self.table.columns:
            if column.kind in ("text", "mtext") and not is_blob(column.name):
                notes += 1
            else:
                fixed += 6 if column.length > 2 else SIZES.get(column.kind, 2 if column.length else 8)
        return min(800, max(25, 1.4 * (self.table.row_bytes - fixed) / max(1, notes)))  # 1.4: some are empty or NULL

    def expression(self, column):
        key = [part.name for part in self.table.key]
        if column.name in key:
            return self.key_part(column, key.index(column.name), len(key))
        kind = "i8" if column.kind == "b1" else column.kind
        value = getattr(self, "of_" + kind)(column)
        if column.nullable:
            one_in = 200 if column.name in ("LName", "FName") else self.share(column, [4, 10, 25, 60])
            value = f"if({self.hash(column, 'null')}%{one_in}=1,null,{value})"
        return value

    def key_part(self, column, place, parts):
        if parts == 1:
            if column.kind == "vc":
                return "concat('K',lpad(s.seq,7,'0'))"
            # Every second counter has gaps, as deletes leave them.
            gaps = self.table.counter and self.table.name not in self.clinic.referenced
            return "s.seq+s.seq div 9" if gaps and number_from(self.table.name, "gaps") % 2 else "s.seq"
        within = 4 if parts == 3 else 3
        if place == 0:
            return f"1+(s.seq-1) div {within}"
        count = "(s.seq-1) div 2%2" if parts == 3 and place == 1 else f"(s.seq-1)%{2 if parts == 3 else within}"
        if column.kind == "date":
            return f"'2012-02-28'+interval {count} day"
        if column.kind == "vc":
            return f"elt(1+{count},'Display.Color','display.font','Größe')"
        return f"1+{count}"

    # numbers

    def of_i64(self, column):
        value = self.hash(column)
        target = REFERENCES.get(column.name)
        if column.name == "ClinicNum":
            return f"{value}%5"
        if not target:
            if not column.name.endswith("Num") and column.name != "FKey":
                return f"{value}%40"
            return f"if({value}%100<{self.share(column, [5, 30, 80])},1+{value}%2000,0)"
        reference = f"1+{value}%{max(1, self.clinic.tables[target].rows(self.clinic.scale))}"
        if column.name in REQUIRED:
            return reference
        return f"if({self.hash(column, 'set')}%100<{self.share(column, [15, 50, 90])},{reference},0)"

    def of_i8(self, column):
        value = self.hash(column)
        if "Percent" in column.name:
            return f"elt(1+{value}%5,-1,0,50,80,100)"
        if column.kind == "b1" and number_from(self.table.name, column.name) % 4 == 0:
            return f"if({value}%50=0,2,{value}%2)"  # declared like a boolean, used like a number
        if re.match(r"Is|Has|Show|Hide", column.name):
            return f"{value}%{self.share(column, [2, 10, 40])}=0"
        return f"if({value}%200=0,-{value}%128,{value}%7)" if column.name == "Level" else f"{value}%6"

    def of_u8(self, column):
        value = self.hash(column)
        if column.name == "ProcStatus":
            return f"elt(1+{value}%8,1,1,2,2,2,2,2,6)"
        if re.match(r"Is|Has|.*IsDone|Premed", column.name):
            return f"{value}%20=0"
        if column.name in ("Gender", "Position", "PatStatus"):
            return f"{value}%3"
        return f"if({value}%500=0,255,{value}%{self.share(column, [3, 8, 30])})"

    def of_i16(self, column):
        if column.name in ("IntTooth", "Tooth"):
            return f"1+{self.hash(column)}%32"
        if column.name.lower().endswith("value"):
            return f"{self.hash(column)}%11-1"  # -1: not measured
        return f"{self.hash(column)}%300"

    def of_u16(self, column):
        return f"{self.hash(column)}%{self.share(column, [60, 1000, 65536])}"

    def of_i32(self, column):
        if "Color" in column.name:
            return f"-1-{self.hash(column)}%16777216"  # ARGB with full opacity is negative
        if column.name == "BillingCycleDay":
            return f"1+{self.hash(column)}%28"
        if column.name.startswith("Canadian") or column.name.endswith("Override"):
            return "-1"
        return f"if({self.hash(column, 'set')}%100<{self.share(column, [20, 60, 95])},{self.hash(column)}%1000,0)"

    def of_f64(self, column):
        value = self.hash(column)
        money = f"({value}%250000)/100"
        if "Override" in column.name or column.name.endswith("Est"):
            return f"if({value}%5=0,{money},-1)"  # -1: no override
        if re.match(r"Adj|Bal|Split", column.name):
            return f"{money}-900"
        return f"if({self.hash(column, 'set')}%100<{self.share(column, [10, 50, 95])},{money},0)"

    def of_f32(self, column):
        return f"(70+{self.hash(column)}%60)/{self.share(column, [8, 10])}"

    # times

    def rising(self, column, jitter):
        """Seconds that grow with the row's number, as when rows are entered day by day."""
        wide = f"+{self.hash(column, 'jitter')}%{jitter}" if jitter > 1 else ""
        return f"{FIRST}+s.seq*{LAST - FIRST - jitter} div {self.rows}{wide}"

    def of_ts(self, column):
        """Mostly soon after entry; every fourth row was edited later."""
        edit = f"if({self.hash(column)}%4=0,{self.hash(column)}%{400 * DAY},{self.hash(column)}%{DAY})"
        return f"from_unixtime(least({LAST},{self.rising(column, 1)}+{edit}))"

    def of_dt(self, column):
        value = f"from_unixtime({self.rising(column, 2 * DAY)})"
        if re.search(r"Entry|LogDate|Created|Comm|AptDate|Hist|Sheet", column.name):
            return value
        used = 1 if "Deceased" in column.name else self.share(column, [10, 40, 80])
        return f"if({self.hash(column, 'set')}%100<{used},{value},'0001-01-01 00:00:00')"

    def of_date(self, column):
        if column.name == "Birthdate":
            value = f"'1931-01-01'+interval {self.hash(column)}%33000 day"
            return f"if({self.hash(column, 'set')}%60=0,'1900-01-01',{value})"
        value = f"date(from_unixtime({self.rising(column, 30 * DAY)}))"
        if re.search(r"Entry|ProcDate|DatePay|PayDate|AdjDate|DateService|DateCP", column.name):
            return value
        return f"if({self.hash(column, 'set')}%100<{self.share(column, [3, 30, 75])},{value},'0001-01-01')"

    def of_time(self, column):
        value = self.hash(column)
        return f"if({value}%100<{self.share(column, [10, 50])},sec_to_time(25200+{value}%40000),'00:00:00')"

    # texts

    def pick(self, column, words, use=""):
        choices = self.clinic.words[words]
        return f"elt(1+{self.hash(column, use)}%{len(choices)},{','.join(map(literal, choices))})"

    def of_c(self, column):
        return f"elt(1+{self.hash(column)}%6,'','Y','N','U','R','I')"

    def of_vc(self, column):
        value = self.varchar(column, self.hash(column))
        return value if column.length >= 64 else f"left({value},{column.length})"

    def varchar(self, column, value):
        name = column.name
        phone = f"concat('(',503+{value}%7,') 555-',lpad({value}%10000,4,'0'))"
        address = f"concat(1+{value}%9800,' ',{self.pick(column, 'street')})"
        email = f"concat({self.pick(column, 'first_name')},{value}%900,'@example.org')"
        file_name = f"concat('P',s.seq,'_',hex({value}),elt(1+{value}%3,'.jpg','.tif','.PDF'))"
        teeth = f"concat(1+{value}%8,',',9+{value}%8,',',17+{value}%8)"
        identifier = f"md5(concat(s.seq,'-',{self.clinic.seed % 65521}))"
        known = [
            (r"LName", lambda: self.pick(column, "last_name")),
            (r"FName|Preferred", lambda: self.pick(column, "first_name")),
            (r"^LogHash", lambda: f"sha2(s.seq*31+{number_from(self.clinic.seed, name) % 65521},256)"),
            (r"Hash$", lambda: f"if({value}%50=0,'',md5(s.seq*31+{number_from(self.clinic.seed, name) % 65521}))"),
            (r"^MI$|^MiddleI", lambda: f"elt(1+{value}%6,'','A','J','M.','É','T')"),
            (r"^Language", lambda: f"elt(1+{value}%8,'','','','','','English','Español','Tiếng Việt')"),
            (r"^Country", lambda: f"if({value}%30=0,'Canada','')"),
            (r"^Title|Salutation", lambda: f"elt(1+{value}%12,'Dr.','Ms.','Mr.','','','','','','','','','')"),
            (r"MedicaidID|ChartNumber", lambda: f"if({value}%5=0,lpad({value}%1000000,8,'0'),'')"),
            (r"Phone", lambda: f"if({value}%4=0,'',{phone})"),
            (r"^City|County", lambda: self.pick(column, "city")),
            (r"^State$|ST$", lambda: self.pick(column, "state")),
            (r"^Zip", lambda: f"lpad({value}%99000,5,'0')"),
            (r"^Address2", lambda: f"if({value}%9=0,concat('Apt. ',{value}%60),'')"),
            (r"^Address", lambda: address),
            (r"Email", lambda: f"if({value}%3=0,'',{email})"),
            (r"SSN", lambda: f"if({value}%2=0,'',lpad({value}%999999999,9,'0'))"),
            (r"FileName|ImageFolder", lambda: file_name),
            (r"CompName", lambda: f"concat(elt(1+{value}%4,'FRONT','OP','LAB','HOME'),'-',{value}%30)"),
            (r"ToothNum$", lambda: f"if({value}%3=0,'',1+{value}%32)"),
            (r"ToothRange|ToothNumbers", lambda: f"if({value}%12=0,{teeth},'')"),
            (r"Surf", lambda: f"elt(1+{value}%6,'','MO','DO','MOD','B','OL')"),
            (r"^Diagnostic", lambda: f"if({value}%10=0,concat('K0',{value}%9,'.',{value}%10),'')"),
            (r"Code|RxCui", lambda: f"if({value}%3=0,'',concat('D',lpad({value}%10000,4,'0')))"),
            (r"^Pattern", lambda: f"concat(repeat('/',1+{value}%3),repeat('X',2+{value}%9),'/')"),
            (r"FontName", lambda: f"elt(1+{value}%3,'Arial','Microsoft Sans Serif','')"),
            (r"MedName|Generic", lambda: self.pick(column, "drug")),
            (r"Guid|GUID|External|Identifier", lambda: f"if({value}%3=0,{identifier},'')"),
        ]  # fmt: skip
        for pattern, make in known:
            if re.search(pattern, name):
                return make()
        if column.length < 20:
            return f"if({value}%4=0,'',hex({value}%4096))"
        if re.search(r"Note|Remark|Text|Reason|Why", name) and column.length >= 80:
            note = f"concat({self.pick(column, 'note')},{self.tail(column, wide=False)})"
            note = note if column.length >= 150 else f"left({note},{column.length})"
            return f"if({value}%100<{self.share(column, [8, 25])},{note},'')"
        used = self.share(column, [5, 25, 90]) if len(self.table.columns) > 12 else 90
        return f"if({value}%100<{used},{self.pick(column, 'label')},'')"

    def tail(self, column, wide):
        """Now and then an ending with quotes, commas, backslashes, line ends or characters of two to four bytes."""
        words = self.clinic.words
        choices = words["tail"] + (words["tail_wide"] if wide else [])
        value = self.hash(column, "tail")
        return f"if({value}%40=0,elt(1+{value} div 40%{len(choices)},{','.join(map(literal, choices))}),'')"

    def of_text(self, column):
        value = self.hash(column)
        if is_blob(column.name):
            return f"if({value}%25=0,repeat(md5(s.seq+{value}%977),1+{value}%12),'')"
        words = "log" if column.name == "LogText" else "note"
        if self.table.name in ("rxnorm", "medication"):
            words = "drug"
        # A falling chance for each further phrase gives the wanted average; few phrases, more rows without a note.
        most = max(1, round(2 * self.text_length / PHRASE - 1))
        phrases = [self.pick(column, words, "phrase0")]
        for place in range(1, most):
            chance = 100 - 100 * place // most
            phrases.append(f"if({value}%100<{chance},{self.pick(column, words, f'phrase{place}')},null)")
        body = f"concat_ws(' ',{','.join(phrases)})" if len(phrases) > 1 else phrases[0]
        if words == "log":
            body = f"concat({body},elt(1+{value}%3,'',concat(' - from ',{value}%90),' \"ok\"'))"
        return f"if({value}%25=0,'',concat({body},{self.tail(column, wide=True)}))"

    of_mtext = of_text


def is_blob(name):
    return bool(re.search(r"Signature|Base64|Thumbnail|Ocr|Receipt|DrawingSegment|UiLabel|Colored", name))


# --- statements ------------------------------------------------------------------------------------------------


class Clinic:
    def __init__(self, scale, seed):
        self.scale, self.seed = scale, seed
        self.tables, self.words = read_tables(), read_words()
        self.referenced = set(REFERENCES.values())

    def statements(self, table):
        lines = [column.ddl() for column in table.columns]
        if table.key:
            lines.append("PRIMARY KEY (" + ",".join(f"`{part.name}`" for part in table.key) + ")")
        own = table.key[0].name if table.key else None
        for column in table.columns:
            if column.name != own and (column.kind == "ts" or (column.name == "PatNum" and table.full_rows > 10000)):
                lines.append(f"KEY `idx_{column.name}` (`{column.name}`)")
        body = ",\n ".join(lines)
        yield f"CREATE TABLE `{table.name}` (\n {body}\n) ENGINE={table.engine} DEFAULT CHARSET=utf8mb3"
        rows = table.rows(self.scale)
        values = Values(self, table)
        # Without a key, rows may repeat: every 50th is a copy of the one before it.
        number = "seq" if table.key else "seq-(seq%50=0)"
        # MyISAM builds its indexes once, at the end of one statement; InnoDB should not hold one huge transaction.
        step = rows if table.engine == "MyISAM" else 250000
        for first in range(1, rows + 1, max(1, step)):
            last = min(rows, first + step - 1)
            cells = ",\n ".join(values.expression(column) for column in table.columns)
            yield (
                f"INSERT INTO `{table.name}` SELECT\n {cells}\n"
                f"FROM (SELECT {number} AS seq FROM seq_{first}_to_{last}) AS s"
            )

    def cost(self, table):
        """Rough cost of a table, to share the work: cells made, plus what making a table takes anyhow."""
        return table.rows(self.scale) * (len(table.columns) + table.row_bytes / 8) + 2000

    def lanes(self, count):
        lanes = [[0, []] for _ in range(count)]
        for table in sorted(self.tables.values(), key=lambda table: (-self.cost(table), table.name)):
            lane = min(lanes, key=lambda lane: lane[0])
            lane[0] += self.cost(table)
            lane[1].append(table)
        return [tables for _, tables in lanes]


# --- the server ------------------------------------------------------------------------------------------------


class Server:
    def __init__(self, socket, user):
        self.command = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"]
        self.environment = dict(os.environ)
        url = os.environ.get("ETL_SYNC_ADMIN_SOURCE_URL")
        parts = urllib.parse.urlsplit(url or "")
        if parts.password:
            # Not on the command line, which every user of the machine can read.
            self.environment["MYSQL_PWD"] = urllib.parse.unquote(parts.password)
        if socket:
            self.command += [f"--socket={socket}", f"--user={user}"]
        elif url:
            self.command += [f"--host={parts.hostname}", f"--port={parts.port or 3306}", "--protocol=tcp"]
            self.command += [f"--user={urllib.parse.unquote(parts.username or 'root')}"]
        else:
            raise SystemExit('clinic.py: no server; run eval "$(scripts/servers.sh env)" first, or name its --socket')

    def run(self, statements, database=None):
        """Sends statements to one client and returns its output; stops at the first error."""
        command = self.command + ([f"--database={database}"] if database else [])
        client = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        errors = []
        drain = threading.Thread(target=lambda: errors.append(client.stderr.read()))
        drain.start()
        try:
            for statement in SESSION + list(statements):
                client.stdin.write((statement + ";\n").encode())
            client.stdin.close()
        except BrokenPipeError:
            pass  # the client stopped; its message follows
        output = client.stdout.read().decode()
        drain.join()
        if client.wait() != 0:
            raise RuntimeError(errors[0].decode(errors="replace").strip()[-2000:])
        return output


# Whatever the server's own settings are, the data comes out the same.
SESSION = [
    "SET time_zone='+00:00'",
    "SET sql_mode='STRICT_ALL_TABLES,NO_UNSIGNED_SUBTRACTION'",
    "SET unique_checks=0",
]


def make(server, clinic, database, replace, jobs):
    found = server.run([
        f"SELECT schema_comment FROM information_schema.schemata WHERE schema_name={literal(database)}",
        f"SELECT concat('tables ',count(*)) FROM information_schema.tables WHERE table_schema={literal(database)}",
    ])  # fmt: skip
    if MARK not in found and "tables 0" not in found and not replace:
        raise SystemExit(f"clinic.py: {database} holds tables that this script did not make; --replace drops them")
    server.run([
        f"DROP DATABASE IF EXISTS `{database}`",
        f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COMMENT {literal(MARK)}",
    ])  # fmt: skip
    problems = []

    def fill(tables):
        try:
            server.run((statement for table in tables for statement in clinic.statements(table)), database)
        except RuntimeError as problem:
            problems.append(str(problem))

    threads = [threading.Thread(target=fill, args=(lane,)) for lane in clinic.lanes(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise SystemExit("clinic.py: " + "\n".join(problems))


def main():
    parser = argparse.ArgumentParser(description="Makes the sample clinic in a MariaDB server.")
    parser.add_argument("--scale", type=float, default=0.01, help="1 is 20 million rows, about 3.5 GB (default: 0.01)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other values (default: 1)")
    parser.add_argument("--database", default="clinic", help="made anew if it is empty or an earlier clinic")
    parser.add_argument("--replace", action="store_true", help="drop the database even if it holds other tables")
    parser.add_argument("--socket", help="the server's socket, instead of ETL_SYNC_ADMIN_SOURCE_URL")
    parser.add_argument("--user", default="root", help="the account for --socket (default: root)")
    parser.add_argument("--jobs", type=int, default=2, help="client processes that fill tables (default: 2)")
    parser.add_argument("--list", action="store_true", help="only print the tables and their rows at this scale")
    arguments = parser.parse_args()
    if not 0 < arguments.scale <= 100 or arguments.jobs < 1:
        parser.error("--scale must be above 0 and at most 100, --jobs at least 1")
    if not re.fullmatch(r"\w+", arguments.database):
        parser.error("--database takes letters, digits and underscores")

    clinic = Clinic(arguments.scale, arguments.seed)
    rows = sum(table.rows(arguments.scale) for table in clinic.tables.values())
    if arguments.list:
        for table in clinic.tables.values():
            print(f"{table.name}\t{table.rows(arguments.scale)}")
        return
    start = time.monotonic()
    try:
        make(Server(arguments.socket, arguments.user), clinic, arguments.database, arguments.replace, arguments.jobs)
    except FileNotFoundError:
        raise SystemExit("clinic.py: the mariadb client is not installed") from None
    except RuntimeError as problem:
        raise SystemExit(f"clinic.py: {problem}") from None
    seconds = time.monotonic() - start
    print(f"{arguments.database}: {len(clinic.tables)} tables, {rows} rows, {seconds:.1f} s (seed {arguments.seed})")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
