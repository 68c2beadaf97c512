#!/usr/bin/python3
"""Independent judge: are a MySQL/MariaDB database and its PostgreSQL copy equal, row for row?

    judge.py --source mysql://user:pw@host:port/db --warehouse postgresql://... --schema raw
             [--tables a b] [--map old=new] [--json FILE] [--jobs N] [--show-keys]
             [--fast] [--quarantine]
             [--zero-dates P] [--nul-bytes P] [--invalid-utf8 P] [--out-of-range P]
    judge.py --self-test --source URL --warehouse URL

It shares nothing with etl-sync: it has its own drivers (PyMySQL, psycopg 3), takes the list of
tables from the source's information_schema, and has its own type rules. Both servers' rows are
brought to one form, the text of PostgreSQL's COPY, and compared

  merge     integer and date keys sort alike on both servers: two ordered streams side by side;
  key hash  other keys: both sides are split into temporary files by a hash of the key, then
            compared file by file, so memory does not grow with the table;
  row hash  no primary key: the same by a hash of the whole row, as multisets;
  fast      with --fast: both servers digest their rows per key range, and only ranges whose
            digests differ are compared in one of the ways above (judge/fast.py).

What must become of values that PostgreSQL cannot hold is told by four options (judge/policy.py).
Names over 63 bytes are looked up in the warehouse's table etl_sync.name_map, or given with --map.
--self-test plants 14 kinds of differences and must find them all: check the check first.

Exit status: 0 equal; 1 different, or nothing was compared, or not everything could be compared;
2 usage, connection or read error. Key values are printed only with --show-keys and cell values
only with --show-values.

Consistency: one REPEATABLE READ snapshot of the warehouse for all processes, one consistent
snapshot of the source per process (--jobs 1: a single one). Tables without transactions
(MyISAM) have no snapshot: compare them while nobody writes.
"""
import importlib.util
import sys

sys.dont_write_bytecode = True
DRIVERS = {"pymysql": "python3-pymysql", "psycopg": "python3-psycopg"}


def start():
    """Exit status; the drivers are looked for before anything needs them."""
    missing = [package for module, package in DRIVERS.items()
               if not importlib.util.find_spec(module)]
    if missing:
        print("judge: driver missing, install: " + " ".join(missing), file=sys.stderr)
        return 2
    from judge.command import main  # the folder judge/, not this file
    return main()


if __name__ == "__main__":
    sys.exit(start())
