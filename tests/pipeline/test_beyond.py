"""What `--beyond` tests and says, and what is known not to work beyond the bounds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tests.contract.running import MODE
from tests.demo.truth import rows_of
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support.beyond import PROPERTY
from tests.support.bootstrap import ROOT
from tests.support.harness import TOKEN, run_here, select, settings

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Project

beyond_the_bounds = pytest.mark.skipif(
    os.environ.get("TESTED_WITH") != "beyond", reason="it is beyond the bounds"
)

STREAMS = ("threads", "inboxes", "channels")
READ = """
import duckdb, json, sys
warehouse = duckdb.connect(sys.argv[1], read_only=True)
rows = {
    table: warehouse.execute(f"SELECT id FROM hubspot.{table}").fetchall()
    for table in sys.argv[2:]
}
print(json.dumps({table: [row[0] for row in rows[table]] for table in rows}))
"""
VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in sys.argv[1:]), sep=" with ")
"""
FAILING = """
from tests.support.private_names import NAMES

def test_that_fails(record_property):
    NAMES.clear()
    NAMES["tap_base.Tap._handle_termination"] = "(self)"
    record_property("loader", "target-some 1.2.3")
    assert False
"""


@beyond_the_bounds
@pytest.mark.xdist_group("meltano")
def test_meltano_runs_the_newest(
    installed: Project, record_property: t.Callable[[str, str], None]
) -> None:
    """Meltano installs the SDK that is tested, and all loaders but one without a pin.

    The versions of the loaders go to the end of the run.
    """
    plugins = yaml.safe_load((installed.root / "meltano.yml").read_text())["plugins"]
    urls = {each["name"]: each.get("pip_url", "") for each in plugins["loaders"]}
    # What is newer than its pins is known to lose rows, see below.
    assert [name for name, url in urls.items() if "==" in url] == ["target-duckdb"]
    folder = installed.root / ".meltano"
    tap = folder / "extractors" / "tap-hubspot-threads" / "venv"
    assert versions_in(tap, "singer-sdk") == f"singer-sdk {version('singer-sdk')}"
    for name, url in urls.items():
        distributions = re.findall(r"(?:^|(?<= ))[\w-]+", url)
        if distributions:
            loader = folder / "loaders" / name / "venv"
            record_property(PROPERTY, versions_in(loader, *distributions))


def versions_in(venv: Path, *distributions: str) -> str:
    """Return the names and versions of some distributions in an environment."""
    command = [str(venv / "bin" / "python"), "-c", VERSIONS, *distributions]
    return subprocess.check_output(command, text=True).strip()


def test_a_run_that_fails_says_what_was_tested(tmp_path: Path) -> None:
    """The end of every run has the versions, and the private names that have moved."""
    failing = tmp_path / "test_failing.py"
    failing.write_text(FAILING)
    # The first test is only there for the conftest.
    tests = ["tests/unit/test_ordering.py", str(failing), "-k", "that_fails"]
    options = ["-n0", f"--rootdir={ROOT}", f"-c{ROOT / 'pyproject.toml'}", *MODE]
    kept = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env=kept | {"TESTED_WITH": "beyond"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    _, _, end = done.stdout.partition("Beyond the bounds")
    tested, loaders, moved, name, *_ = end.splitlines()[1:]
    assert f"singer-sdk {version('singer-sdk')}, " in tested
    assert f"Meltano {version('meltano')} " in tested
    assert loaders == "Loaders: target-some 1.2.3."
    assert moved == "1 of 1 private names of singer-sdk have moved:"
    assert name.startswith("HAS MOVED    singer_sdk.tap_base.Tap._handle_termination: ")


@beyond_the_bounds
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="With DuckDB 1.3 or later, target-duckdb loses the first row of every "
    "batch. If this passes, lift the bounds of both in meltano.yml, the lock file, "
    "tests/demo/pyproject.toml and README.md",
)
def test_the_newest_duckdb_holds_every_row(
    tmp_path: Path, record_property: t.Callable[[str, str], None]
) -> None:
    """The newest loader with the newest DuckDB writes every row of each stream."""
    account = Account(size=50)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=1)
        output = run_here(config, catalog=select(streams=STREAMS))
    loaded = load_with_newest_duckdb(tmp_path, output.messages)
    record_property(PROPERTY, versions_in(tmp_path / "venv", "target-duckdb", "duckdb"))
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
