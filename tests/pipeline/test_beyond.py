"""What is known not to work beyond the project's bounds. Only `--beyond` runs this.

Each test fails as expected. When one passes, the bound that it names can be lifted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.demo.truth import rows_of
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support.harness import TOKEN, run_here, select, settings

pytestmark = pytest.mark.skipif(
    os.environ.get("TESTED_WITH") != "beyond", reason="it is beyond the bounds"
)

STREAMS = ("threads", "inboxes", "channels")
READ = """
import duckdb, json, sys
warehouse = duckdb.connect(sys.argv[1], read_only=True)
print(duckdb.__version__, file=sys.stderr)
rows = {
    table: warehouse.execute(f"SELECT id FROM hubspot.{table}").fetchall()
    for table in sys.argv[2:]
}
print(json.dumps({table: [row[0] for row in rows[table]] for table in rows}))
"""


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="With DuckDB 1.3 or later, target-duckdb loses the first row of every "
    "batch. If this passes, lift the bounds of both in meltano.yml, the lock file, "
    "tests/demo/pyproject.toml and README.md",
)
def test_the_newest_duckdb_holds_every_row(tmp_path: Path) -> None:
    """The newest loader with the newest DuckDB writes every row of each stream."""
    account = Account(size=50)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=1)
        output = run_here(config, catalog=select(streams=STREAMS))
    loaded = load_with_newest_duckdb(tmp_path, output.messages)
    missing = {
        stream: {row["id"] for row in rows_of(account, stream)} - set(loaded[stream])
        for stream in STREAMS
    }
    if any(len(ids) > 1 for ids in missing.values()):
        pytest.fail(f"More is missing than the first row: {missing}")
    assert missing == {stream: set() for stream in STREAMS}


def load_with_newest_duckdb(
    folder: Path, messages: list[dict[str, t.Any]]
) -> dict[str, list[str]]:
    """Load messages with what a new installation brings, and return the IDs."""
    uv, venv = Path(sys.executable).with_name("uv"), folder / "venv"
    python = venv / "bin" / "python"
    warehouse, config = folder / "warehouse.duckdb", folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "path": str(warehouse),
                "default_target_schema": "hubspot",
                "add_metadata_columns": True,
            }
        )
    )
    commands: list[list[str | Path]] = [
        [uv, "venv", "--quiet", "--python", sys.executable, venv],
        [uv, "pip", "install", "--quiet", "--python", python, "target-duckdb"],
    ]
    for command in commands:
        subprocess.run(command, check=True)
    lines = "".join(f"{json.dumps(message)}\n" for message in messages)
    subprocess.run(
        [venv / "bin" / "target-duckdb", "--config", config],
        input=lines.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    read: list[str | Path] = [python, "-c", READ, warehouse, *STREAMS]
    found: dict[str, list[str]] = json.loads(subprocess.check_output(read))
    return found
