"""A copy of this project with its plugins installed, and the rows its loaders wrote.

Runs happen in the copy, so that the working tree does not change.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import decimal
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from importlib.metadata import version
from pathlib import Path

import psycopg
import yaml
from psycopg.rows import dict_row

from tests.demo.truth import FIELDS_OF_ALL, MOMENTS, utc
from tests.support.bootstrap import ROOT

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    Row: t.TypeAlias = dict[str, t.Any]

PLUGINS = (
    "tap-hubspot-threads",
    "tap-hubspot-threads-demo",
    "target-duckdb",
    "target-duckdb-demo",
    "target-csv",
    "target-jsonl",
    "target-postgres",
    "report",
)
LOADERS: dict[str, dict[str, t.Any]] = {
    loader["name"]: loader
    for loader in yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"][
        "loaders"
    ]
}
PARTS = (
    "tap_hubspot_threads",
    "tests",
    "LICENSE",
    "README.md",
    "meltano.yml",
    "plugins",
    "pyproject.toml",
)
_LIFTED = {
    "pyproject.toml": (
        rb'(?<="singer-sdk\[msgspec\]).+(?=",)',
        f"=={version('singer-sdk')}".encode(),
    ),
    "meltano.yml": (rb"(?<=pip_url: )([\w-]+)==[\d.]+$", rb"\1"),
}
"""Bounds in files, and what replaces them to test beyond the bounds."""


@dataclasses.dataclass
class Project:
    """A copy of this project with its plugins installed.

    Attributes:
        root: Its folder.
        state: Suffix that separates the states of different tests.
    """

    root: Path
    state: str = ""

    @classmethod
    def make(cls, root: Path) -> Project:
        """Copy this project into a folder and install its plugins there."""
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, root / part, ignore=ignore)
            else:
                (root / part).write_bytes(as_copied(part))
        project = cls(root)
        installed = project.meltano("install", *PLUGINS)
        assert installed.returncode == 0, installed.stdout
        return project

    def meltano(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano until it ends. Its log is in ``stdout``."""
        return subprocess.run(
            [Path(sys.executable).parent / "meltano", *arguments],
            cwd=self.root,
            env=environment() | {"MELTANO_RUN_STATE_ID_SUFFIX": self.state} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=150,
            check=False,
        )

    def run(self, *blocks: str, **env: str) -> str:
        """Run jobs or plugins, check that they succeed, and return the log."""
        done = self.meltano("run", *blocks, **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def load(
        self, loader: str, config: dict[str, t.Any], messages: Iterable[Row]
    ) -> None:
        """Load messages, and check that this succeeds."""
        done = self.try_to_load(loader, config, messages)
        assert done.returncode == 0, done.stdout

    def try_to_load(
        self, loader: str, config: dict[str, t.Any], messages: Iterable[Row]
    ) -> subprocess.CompletedProcess[str]:
        """Pass messages to a loader as Meltano does, without the time Meltano takes."""
        path = self.root / f"{loader}.json"
        path.write_text(json.dumps(config))
        program = self.root / f".meltano/loaders/{loader}/venv/bin/{loader}"
        return subprocess.run(
            [program, "--config", path],
            cwd=self.root,
            input="".join(f"{json.dumps(message)}\n" for message in messages),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=environment() | LOADERS[loader].get("env", {}),
            check=False,
        )

    @property
    def python(self) -> Path:
        """The interpreter that has the same DuckDB as the loader."""
        return self.root / ".meltano/utilities/report/venv/bin/python"

    def duckdb(self, code: str, *arguments: str | Path) -> str:
        """Run Python code with DuckDB, and return its output."""
        return subprocess.run(
            [self.python, "-c", code, *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.decode()


def as_copied(name: str) -> bytes:
    """Return a file of this project as it is in the copy before any run.

    With `--beyond`, the tap can then be installed with the SDK of this process, and the
    loaders have no pins. The DuckDB loader keeps its versions: the newest is known to
    lose rows, as ``tests/pipeline/test_beyond.py`` shows.
    """
    content = (ROOT / name).read_bytes()
    if name not in _LIFTED or os.environ.get("TESTED_WITH") != "beyond":
        return content
    content, count = re.subn(*_LIFTED[name], content, flags=re.MULTILINE)
    assert count, name
    return content


def environment() -> dict[str, str]:
    """Return the environment without variables that would change a run of Meltano."""
    prefixes = ("MELTANO_", "TAP_HUBSPOT_", "TARGET_", "REPORT_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
    return inherited | {
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "MELTANO_CLI_LOG_CONFIG": "tests/demo/logging.yaml",
        "NO_PROXY": "127.0.0.1",
    }


def newest(rows: Iterable[Row]) -> list[Row]:
    """Return the last row of each ID."""
    return list({row["id"]: row for row in rows}.values())


def in_jsonl(path: Path) -> list[Row]:
    """Return the rows of a JSON Lines file, in the tap's form."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def in_csv(folder: Path, stream: str = "threads") -> list[Row]:
    """Return the rows of CSV files, oldest file first, in the tap's form.

    CSV writes null and empty text the same way. Here, both are null.
    """
    rows: list[Row] = []
    for path in sorted(folder.glob(f"{stream}-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows.extend(map(_from_csv, csv.DictReader(file)))
    return rows


def _from_csv(cells: dict[str, str]) -> Row:
    row: Row = {}
    for name, cell in cells.items():
        value: t.Any = cell or None
        if name in MOMENTS and value:
            value = utc(dt.datetime.fromisoformat(value))
        elif name in ("archived", "spam", "active", "authorized"):
            value = {"True": True, "False": False, None: None}[value]
        parent, _, child = name.partition("__")
        if child:
            row[parent] = row.get(parent)
            if value:
                row[parent] = (row[parent] or {}) | {child: value}
        else:
            row[name] = value
    return row


def in_postgres(
    uri: str, schema: str = "hubspot", stream: str = "threads"
) -> list[Row]:
    """Return the rows of a PostgreSQL table, in the tap's form."""
    fields = FIELDS_OF_ALL[stream]
    names = ", ".join(f'"{name}"' for name in fields)
    with psycopg.connect(uri.replace("+psycopg", "")) as connection:
        loaded = connection.execute(
            f"SELECT {names} FROM {schema}.{stream}".encode()
        ).fetchall()
    rows = [dict(zip(fields, row, strict=True)) for row in loaded]
    for row in rows:
        for name, value in row.items():
            if name in MOMENTS and value:
                # The columns have no time zone, and hold UTC.
                row[name] = utc(value.replace(tzinfo=dt.UTC))
    return rows


_SELECT = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    connection.begin()
    results = []
    for query in sys.argv[2:]:
        result = connection.execute(query)
        names = [column[0] for column in result.description or []]
        results.append([dict(zip(names, row)) for row in result.fetchall()])
print(json.dumps(results, default=str))
"""


def select_duckdb(project: Project, path: Path, *queries: str) -> list[list[Row]]:
    """Return the rows of each query, all at one point in time, with dates as text."""
    results: list[list[Row]] = json.loads(project.duckdb(_SELECT, path, *queries))
    for row in itertools.chain.from_iterable(results):
        for name, value in row.items():
            # JSON columns are returned as text.
            if isinstance(value, str) and value.startswith("{"):
                row[name] = json.loads(value)
    return results


def select_postgres(uri: str, *queries: str) -> list[list[Row]]:
    """Return the rows of each query, all at one point in time, with dates as text."""
    with psycopg.connect(uri.replace("+psycopg", ""), row_factory=dict_row) as database:
        found = []
        for query in queries:
            result = database.execute(query.encode())
            # A statement such as SET has no rows.
            found.append(result.fetchall() if result.description else [])
    results: list[list[Row]] = json.loads(json.dumps(found, default=_plain))
    return results


def _plain(value: t.Any) -> t.Any:
    return float(value) if isinstance(value, decimal.Decimal) else str(value)
