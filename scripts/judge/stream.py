"""Reading both servers' rows as they arrive, as lines of COPY text."""
import pymysql
from psycopg.pq import DiagnosticField, ExecStatus
from pymysql.connections import MySQLResult
from pymysql.constants import COMMAND

from judge.policy import Breach, text_breach
from judge.text import NULL, TAB, JudgeError, escape, join_rows, unescape

BLOCK_ROWS = 2000          # rows compared at a time by a merge
BLOCK_BYTES = 1 << 20      # ... or bytes, whichever comes first


def source_packets(conn, sql):
    """Yield the raw row packets of a query as they arrive.

    PyMySQL's SSCursor costs about 10 us a row in Python; only its row decoding is replaced.
    The end of the rows is the EOF packet and nothing else.
    """
    conn._execute_command(COMMAND.COM_QUERY, sql)
    head = MySQLResult(conn)
    try:
        head.init_unbuffered_query()
    finally:
        head.unbuffered_active = False  # else its destructor would read our rows
    stream, buffer, start, parts = conn._rfile, b"", 0, []
    while True:
        end = len(buffer)
        need = 0
        while end - start >= 4:
            size = int.from_bytes(buffer[start:start + 3], "little")
            stop = start + 4 + size
            if stop > end:
                need = stop - end
                break
            packet = buffer[start + 4:stop]
            start = stop
            if size == 0xFFFFFF or parts:  # a row of 16 MB or more comes in several packets
                parts.append(packet)
                if size == 0xFFFFFF:
                    continue
                packet, parts = b"".join(parts), []
            elif packet[0] == 0xFE and size < 9:
                return
            elif packet[0] == 0xFF:
                pymysql.err.raise_mysql_exception(packet)
            yield packet
        more = stream.read(need) if need > BLOCK_BYTES else stream.read1(BLOCK_BYTES)
        if not more:
            raise JudgeError("source: connection lost in the middle of the rows")
        buffer, start = buffer[start:] + more, 0


def split_packet(packet, width):
    """The cells of a row packet (length-encoded strings) and how many of them are NULL."""
    cells, nulls, at = [], 0, 0
    add = cells.append
    for _ in range(width):
        size = packet[at]
        at += 1
        if size > 250:
            if size == 251:
                add(NULL)
                nulls += 1
                continue
            extra = 2 if size == 252 else 3 if size == 253 else 8
            size = int.from_bytes(packet[at:at + extra], "little")
            at += extra
        stop = at + size
        add(packet[at:stop])
        at = stop
    return cells, nulls


class SourceRows:
    """The rows of a query as blocks of COPY lines.

    Every cell runs through its rule's `now`; breaches are settled by `policy`, which may drop
    the row. With `final` every cell is brought to its final form, as row hashes need it.
    """

    def __init__(self, conn, sql, rules, policy, final=False):
        self.conn, self.sql, self.policy = conn, sql, policy
        self.width = len(rules)
        self.now = [(i, r.now) for i, r in enumerate(rules) if r.now]
        self.late = [(i, r.late_source) for i, r in enumerate(rules) if final and r.late_source]
        self.text = [i for i, r in enumerate(rules) if r.text]

    def blocks(self):
        """Yield lists of lines, never an empty one."""
        rows, nulls, size = [], 0, 0
        for packet in source_packets(self.conn, self.sql):
            cells, count = split_packet(packet, self.width)
            nulls = None if nulls is None else nulls + count
            size += len(packet)
            breaches = []
            for i, form in self.now:
                cell = cells[i]
                if cell is not NULL:
                    cell = cells[i] = form(cell)
                    if cell.__class__ is Breach:
                        breaches.append((i, cell))
            if not breaches or self.settle(cells, breaches):
                rows.append(cells)
            if breaches:
                nulls = None  # not worth keeping: lines() counts
            if len(rows) >= BLOCK_ROWS or size >= BLOCK_BYTES:
                yield from self.lines(rows, nulls)
                rows, nulls, size = [], 0, 0
        yield from self.lines(rows, nulls)

    def settle(self, cells, breaches=()):
        """Settle a row's breaches, those of its text among them; False: it must be absent."""
        of_text = [(i, breach) for i in self.text
                   if cells[i].__class__ is bytes and (breach := text_breach(cells[i]))]
        breaches = [*breaches, *of_text]
        return not breaches or self.policy.settle(cells, breaches)

    def lines(self, rows, nulls):
        """One block of COPY lines, or none at all."""
        if self.text and text_breach(b"\n".join(map(TAB.join, rows))):
            rows, nulls = [cells for cells in rows if self.settle(cells)], None
        for i, form in self.late:
            for cells in rows:
                if cells[i] is not NULL:
                    cells[i] = form(cells[i])
        if nulls is None:
            nulls = sum(cell is NULL for cells in rows for cell in cells)
        if rows:
            yield join_rows(rows, nulls, self.width)


class WarehouseRows:
    """COPY (query) TO STDOUT, read in pieces of any size."""

    def __init__(self, conn, sql, forms=()):
        self.pgconn = conn.pgconn
        self.forms = forms
        self.open = True
        result = self.pgconn.exec_(f"COPY ({sql}) TO STDOUT".encode())
        if result.status != ExecStatus.COPY_OUT:
            self.fail(result)

    def fail(self, result):
        """Raise the server's primary message only."""
        text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        raise JudgeError(f"warehouse: {text.decode('utf-8', 'replace').strip()}")

    def finish(self):
        """After the last row the server says whether it really was the last."""
        self.open = False
        while True:
            result = self.pgconn.get_result()
            if result is None:
                return
            if result.status != ExecStatus.COMMAND_OK:
                self.fail(result)

    def read(self, count):
        """Up to `count` lines; fewer at the end or when they are big; none after the end."""
        pieces, size = [], 0
        get, add = self.pgconn.get_copy_data, pieces.append
        while count > 0 and self.open and size < 4 * BLOCK_BYTES:
            length, data = get(0)
            if length < 0:
                self.finish()
                break
            add(data)
            size += length
            count -= 1
        # Every piece is one line; line ends inside of values are escaped.
        lines = b"".join(pieces).split(b"\n")
        del lines[-1]
        return [self.final(line) for line in lines] if self.forms else lines

    def final(self, line):
        """Apply the forms to one line."""
        cells = line.split(TAB)
        for i, form in self.forms:
            if cells[i] != NULL:
                cells[i] = escape(form(unescape(cells[i])))
        return TAB.join(cells)
