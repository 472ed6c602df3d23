"""A DuckDB file with the rows of an account, as target-duckdb leaves them.

Another DuckDB writes or reads it than the loader's: it is that of this process.
"""

from __future__ import annotations

import json
import tempfile
import typing as t

import duckdb

from tap_hubspot_threads.report.warehouse import Warehouse
from tests.demo import report
from tests.demo.truth import FIELDS_OF_ALL, MOMENTS, OBJECTS, rows_of, written

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_hubspot import Account
    from tests.support.meltano_project import Row

BOOLEANS = ("active", "archived", "authorized", "spam")


def load(
    path: Path, account: Account, schema: str = "hubspot", *, customers: bool = False
) -> None:
    """Write all streams of an account into the tables of a schema."""
    quoted = '"' + schema.replace('"', '""') + '"'
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA {quoted}")
        for stream in FIELDS_OF_ALL:
            found = rows_of(account, stream, customers=customers, messages=True)
            rows = [written(row, stream) for row in found]
            _fill(connection, f"{quoted}.{stream}", stream, rows)


def in_duckdb(
    path: Path, schema: str = "hubspot", stream: str = "threads"
) -> list[Row]:
    """Return the rows of a table in a DuckDB file, in the tap's form."""
    with Warehouse(str(path), schema) as warehouse:
        return report.rows(warehouse, stream)


def _fill(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    stream: str,
    rows: list[Row],
) -> None:
    types = {name: _type(stream, name) for name in FIELDS_OF_ALL[stream]}
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    connection.execute(f"CREATE TABLE {table} ({columns})")
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
        file.flush()
        read = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        connection.execute(
            f"INSERT INTO {table} SELECT * FROM read_json('{file.name}', "
            f"columns={{{read}}}, format='newline_delimited')"
        )


def _type(stream: str, name: str) -> str:
    if name in MOMENTS:
        return "TIMESTAMP"
    if name in BOOLEANS:
        return "BOOLEAN"
    return "JSON" if name in OBJECTS.get(stream, ()) else "VARCHAR"
