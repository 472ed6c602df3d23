"""The same tables in DuckDB and PostgreSQL, and what queries find there."""

from __future__ import annotations

import typing as t

import psycopg
import pytest

from tests.support import readme
from tests.support.meltano_project import select_duckdb, select_postgres

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.meltano_project import Project, Row

EACH = pytest.mark.parametrize("database", ["duckdb", "postgres"])
"""Runs a test once for each database."""


class Databases(t.NamedTuple):
    """The tables of a schema in both databases."""

    project: Project
    postgres: str
    warehouse: Path
    schema: str

    def load(
        self,
        messages: Iterable[Row],
        *,
        duckdb: dict[str, t.Any] | None = None,
        postgres: dict[str, t.Any] | None = None,
    ) -> None:
        """Load messages into both databases, with more settings of the loaders."""
        rows = list(messages)
        schema = {"default_target_schema": self.schema}
        in_file = {"path": str(self.warehouse), "add_metadata_columns": True}
        in_database = {"sqlalchemy_url": self.postgres}
        for loader, config in (
            ("target-duckdb", in_file | (duckdb or {})),
            ("target-postgres", in_database | (postgres or {})),
        ):
            self.project.load(loader, schema | config, rows)

    def select(self, database: str, *queries: str) -> list[list[Row]]:
        """Return the rows of each query, all at one point in time."""
        if database == "duckdb":
            return select_duckdb(self.project, self.warehouse, *queries)
        return select_postgres(self.postgres, *queries)

    def query(self, database: str, *queries: str) -> tuple[list[Row], float]:
        """Return the rows of the last query, and when it was run.

        The queries do not name the schema. It is chosen as the documentation says.
        """
        schema = readme.block("sql", "search_path").text.replace("hubspot", self.schema)
        clock = "SELECT EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS now"
        _, [now], *_, rows = self.select(database, schema, clock, *queries)
        return rows, now["now"]

    def execute_in_postgres(self, *statements: str) -> None:
        """Execute SQL statements."""
        with psycopg.connect(self.postgres.replace("+psycopg", "")) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def execute_in_duckdb(self, *statements: str) -> None:
        """Execute SQL statements."""
        self.project.duckdb(
            "import sys, duckdb; warehouse = duckdb.connect(sys.argv[1]); "
            "[warehouse.execute(statement) for statement in sys.argv[2:]]",
            self.warehouse,
            *statements,
        )


def close_to(rows: Iterable[Row]) -> list[t.Any]:
    """Return rows for a comparison that tolerates rounding."""
    return [pytest.approx(row) for row in rows]
