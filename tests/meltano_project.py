"""A copy of this project with its plugins installed, and what its loaders loaded.

Runs happen in the copy, so that the working tree stays as it is.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import psycopg

from tests.bootstrap import ROOT
from tests.demo.truth import FIELDS, TIMESTAMPS, utc

if t.TYPE_CHECKING:
    Row: t.TypeAlias = dict[str, t.Any]

PLUGINS = (
    "tap-hubspot-threads",
    "tap-hubspot-threads-demo",
    "target-duckdb",
    "target-duckdb-demo",
    "target-jsonl",
    "target-postgres",
    "report",
)
PARTS = (
    "tap_hubspot_threads",
    "tests",
    "LICENSE",
    "README.md",
    "meltano.yml",
    "pyproject.toml",
)


@dataclasses.dataclass
class Project:
    """A copy of this project with its plugins installed.

    Attributes:
        root: Its folder.
        state: What keeps the state of one test's runs from that of another's.
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
                shutil.copy(source, root / part)
        project = cls(root)
        installed = project.meltano("install", *PLUGINS)
        assert installed.returncode == 0, installed.stdout
        return project

    def meltano(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano to its end; its log is in ``stdout``."""
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
        """Run jobs or plugins, which must succeed, and return the log."""
        done = self.meltano("run", *blocks, **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def python(self) -> Path:
        """The interpreter that has the same DuckDB as the loader."""
        return self.root / ".meltano/utilities/report/venv/bin/python"

    def duckdb(self, code: str) -> str:
        """Run Python code with DuckDB, and return its output."""
        return subprocess.run(
            [self.python, "-c", code], cwd=self.root, stdout=subprocess.PIPE, check=True
        ).stdout.decode()


def environment() -> dict[str, str]:
    """Return the environment without what would change a run of Meltano's."""
    prefixes = ("MELTANO_", "TAP_HUBSPOT_", "TARGET_", "REPORT_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
    return inherited | {
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "MELTANO_CLI_LOG_CONFIG": "tests/demo/logging.yaml",
        "NO_PROXY": "127.0.0.1",
    }


def in_duckdb(project: Project, path: Path, schema: str = "hubspot") -> list[Row]:
    """Return the rows of a DuckDB file, in the tap's form."""
    rows: list[Row] = json.loads(
        project.duckdb(
            "import json; from tests.demo.report import Report; "
            f"report = Report({str(path)!r}, '', '{schema}.threads'); "
            "print(json.dumps(report.rows()))"
        )
    )
    return rows


def in_jsonl(path: Path) -> list[Row]:
    """Return the newest row of each thread in a file that was appended to."""
    lines = path.read_text(encoding="utf-8").split("\n")
    newest = {row["id"]: row for row in map(json.loads, filter(None, lines))}
    return list(newest.values())


def in_postgres(uri: str, schema: str = "hubspot") -> list[Row]:
    """Return the rows of a PostgreSQL table, in the tap's form."""
    names = ", ".join(f'"{name}"' for name in FIELDS)
    with psycopg.connect(uri.replace("+psycopg", "")) as connection:
        loaded = connection.execute(
            f"SELECT {names} FROM {schema}.threads".encode()
        ).fetchall()
    rows = [dict(zip(FIELDS, row, strict=True)) for row in loaded]
    for row in rows:
        for name in TIMESTAMPS:
            row[name] = utc(row[name]) if row[name] else None
    return rows
