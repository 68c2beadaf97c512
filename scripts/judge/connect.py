"""Sessions on both servers."""
import re
import ssl
from urllib.parse import parse_qsl, unquote

import psycopg
import pymysql

from judge.text import JudgeError, error_text


def parse_url(url, what, schemes):
    """Split a URL into a dict; the URL itself never appears in an error."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in schemes:
        raise JudgeError(f"{what}: expected {schemes[0]}://user:password@host:port/database")
    login, _, rest = rest.rpartition("@")
    rest, _, query = rest.partition("?")
    address, _, database = rest.partition("/")
    user, _, password = login.partition(":")
    match = re.fullmatch(r"\[(.*)\](?::(\d*))?|([^:]*)(?::(\d*))?", address)
    if not match:
        raise JudgeError(f"{what}: cannot read host and port; percent-encode special characters")
    host, port = match[1] or match[3] or "", match[2] or match[4] or ""
    return {"user": unquote(user), "password": unquote(password), "host": unquote(host),
            "port": int(port) if port else None, "database": unquote(database),
            "query": dict(parse_qsl(query, keep_blank_values=True))}


def source_tls(query):
    """PyMySQL's TLS argument from ssl-mode and ssl-ca."""
    mode = query.get("ssl-mode", query.get("ssl_mode", "")).upper().replace("-", "_")
    ca = query.get("ssl-ca", query.get("ssl_ca"))
    if mode == "DISABLED" or not (ca or mode not in ("", "PREFERRED")):
        return {}
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if not ca and not mode.startswith("VERIFY"):
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def open_source(url):
    """A plain source session: (connection, parsed URL)."""
    at = parse_url(url, "source URL", ("mysql", "mariadb"))
    socket = at["query"].get("socket") or at["query"].get("unix_socket")
    try:
        tls = source_tls(at["query"])
        conn = pymysql.connect(
            user=at["user"], password=at["password"], host=at["host"] or "localhost",
            port=at["port"] or 3306, unix_socket=socket, database=at["database"] or None,
            charset="utf8mb4", autocommit=True, local_infile=False, connect_timeout=10,
            read_timeout=3600, **tls)
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        raise JudgeError(f"source: {error_text(error)}") from None
    if tls and not isinstance(conn._sock, ssl.SSLSocket):  # PyMySQL falls back silently
        raise JudgeError("source: the server offers no TLS, but ssl-mode asks for it")
    return conn, at


def connect_source(url):
    """A source session in which no setting changes values or cuts rows, inside its snapshot."""
    conn, at = open_source(url)
    if not at["database"]:
        raise JudgeError("source URL: the database is missing")
    try:
        with conn.cursor() as cur:
            cur.execute("SET SESSION sql_mode = '', time_zone = '+00:00', "
                        "sql_select_limit = DEFAULT, net_write_timeout = 3600")
            cur.execute("SET NAMES utf8mb4")
            cur.execute("SELECT VERSION()")
            limit = ("max_statement_time" if "mariadb" in cur.fetchone()[0].lower()
                     else "max_execution_time")
            cur.execute(f"SET SESSION {limit} = 0")
            cur.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cur.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return conn, at["database"]
    except (pymysql.MySQLError, OSError) as error:
        raise JudgeError(f"source: {error_text(error)}") from None


PG_SETTINGS = """
SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET search_path = pg_catalog; SET row_security = off;
"""


def open_warehouse(url):
    """A plain warehouse session."""
    at = parse_url(url, "warehouse URL", ("postgresql", "postgres"))
    options = {"host": at["host"], "port": at["port"], "user": at["user"],
               "password": at["password"], "dbname": at["database"], "connect_timeout": 10}
    options = {name: value for name, value in options.items() if value}
    options.update(at["query"])
    try:
        return psycopg.connect(autocommit=True, **options)
    except (psycopg.Error, OSError, ValueError) as error:
        raise JudgeError(f"warehouse: {error_text(error)}") from None


def connect_warehouse(url, snapshot=None):
    """A read-only session in one snapshot: its own, or the one that `snapshot` names."""
    conn = open_warehouse(url)
    try:
        conn.execute(PG_SETTINGS)
        conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            conn.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        return conn
    except (psycopg.Error, OSError, ValueError) as error:
        raise JudgeError(f"warehouse: {error_text(error)}") from None
