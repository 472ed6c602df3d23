"""Rows in a warehouse after later changes."""

from __future__ import annotations

import functools
import json
import random
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import psycopg
import pytest

from tests.demo.truth import differences
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support import readme
from tests.support.duckdb_file import in_duckdb
from tests.support.harness import TOKEN, run_here, settings
from tests.support.meltano_project import in_postgres

if t.TYPE_CHECKING:
    from tests.support.meltano_project import Project

pytestmark = pytest.mark.xdist_group("loaders")

SIZE = 2_000


def change(account: Account) -> list[str]:
    """Let an hour pass. Of 1,000 threads, ten close, five are archived, two are purged.

    Three get a message. Return the purged ones.
    """
    account.clock.advance(hours=1)
    threads = iter(random.Random(5).sample(account.live_ids(), SIZE * 20 // 1000))
    for _ in range(SIZE * 10 // 1000):
        thread = next(threads)
        is_open = account.thread(thread)["status"] == "OPEN"
        (account.close if is_open else account.reopen)(thread)
    for _ in range(SIZE * 5 // 1000):
        account.archive(next(threads))
    for _ in range(SIZE * 3 // 1000):
        account.message(next(threads))
    purged = list(threads)
    for thread in purged:
        account.purge(thread)
    return purged


def test_a_sweep_makes_the_tables_equal_to_the_account(
    project: Project, postgres: str, tmp_path: Path
) -> None:
    """DuckDB and PostgreSQL hold the account after a sweep, field by field."""
    account = Account(size=SIZE, seed=11)
    warehouse = tmp_path / "file.duckdb"
    loaders = {
        "target-duckdb": {"path": str(warehouse), "default_target_schema": "swept"},
        "target-postgres": {
            "sqlalchemy_url": postgres,
            "default_target_schema": "swept",
        },
    }
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=12)
        first = run_here(config)
        purged = change(account)
        hourly = run_here(config, state=first.states[-1])
        hubspot.forget()
        due = config | {"sweep_interval_hours": 1e-6}
        swept = run_here(due, state=hourly.states[-1])
        requests = len(hubspot.requests)
    assert len(hourly.records) < 20
    assert requests == 1 + -(-len(account.live_ids()) // 500) + 1
    for loader, setting in loaders.items():
        for run in (first, hourly, swept):
            project.load(loader, setting, run.messages)
    # Without ACTIVATE_VERSION, the tables do not learn that a thread is gone.
    gone = {f"thread {thread} is not in the account" for thread in purged}
    for loaded in (
        in_duckdb(warehouse, schema="swept"),
        in_postgres(postgres, schema="swept"),
    ):
        assert set(differences(account.threads(), loaded)) == gone


@pytest.mark.parametrize("hard", [True, False])
def test_postgres_deletes_what_a_sweep_did_not_bring(
    project: Project, postgres: str, hard: bool
) -> None:
    """With ACTIVATE_VERSION, purged threads are deleted or marked."""
    account = Account(size=300, seed=12)
    schema = "hard" if hard else "soft"
    loader = {
        "sqlalchemy_url": postgres,
        "default_target_schema": schema,
        "hard_delete": hard,
    }

    def run(
        state: dict[str, t.Any] | None, hours: float, began: int | None = None
    ) -> dict[str, t.Any]:
        output = run_here(
            settings(
                hubspot.url,
                sweep_interval_hours=hours,
                emit_activate_version_messages=True,
            ),
            state=state,
            began=began,
        )
        project.load("target-postgres", loader, output.messages)
        return output.states[-1]

    def in_table() -> dict[str, bool]:
        with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
            query = f"SELECT id, _sdc_deleted_at IS NOT NULL FROM {schema}.threads"
            return dict(connection.execute(query.encode()).fetchall())

    with FakeHubSpot(account, token=TOKEN) as hubspot:
        state = run(None, hours=12)
        late = account.create()
        account.message(late)
        state = run(state, hours=12)  # a row between two sweeps
        purged = {*account.live_ids()[:10], late}
        for thread in purged:
            account.purge(thread)
        state = run(state, hours=12)
        assert purged <= in_table().keys()
        assert not any(in_table().values())
        run(state, hours=12, began=round(time.time() + 12.1 * 3_600) * 1000)
    deleted = {thread for thread, is_deleted in in_table().items() if is_deleted}
    assert deleted == (set() if hard else purged)
    rows = in_postgres(postgres, schema=schema)
    alive = [row for row in rows if row["id"] not in deleted]
    assert list(differences(account.threads(), alive)) == []


@pytest.mark.parametrize("loader", ["target-duckdb", "target-jsonl"])
def test_loaders_that_cannot_read_batches_say_so(
    project: Project, tmp_path: Path, loader: str
) -> None:
    """A loader that does not support BATCH fails instead of losing rows silently."""
    batch = readme.config("batch_config")
    batch["batch_config"]["storage"]["root"] = tmp_path.as_uri()
    with FakeHubSpot(Account(size=5), token=TOKEN) as hubspot:
        messages = run_here(settings(hubspot.url, **batch)).messages
    assert any(message["type"] == "BATCH" for message in messages)
    config = {
        "path": str(tmp_path / "warehouse.duckdb"),
        "default_target_schema": "batches",
        "destination_path": str(tmp_path),
    }
    assert project.try_to_load(loader, config, messages).returncode != 0


def test_duckdb_writes_parquet(project: Project, tmp_path: Path) -> None:
    """The documented command writes every row of the table to a Parquet file."""
    [command] = re.findall(r"`(COPY hubspot\.threads .+?)`", readme.TEXT)
    account = Account(size=50, seed=14)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        messages = run_here(settings(hubspot.url, sweep_interval_hours=12)).messages
    warehouse = tmp_path / "warehouse.duckdb"
    config = {"path": str(warehouse), "default_target_schema": "hubspot"}
    project.load("target-duckdb", config, messages)
    parquet = tmp_path / "threads.parquet"
    project.duckdb(
        "import duckdb, sys; warehouse = duckdb.connect(sys.argv[1]); "
        "warehouse.execute(sys.argv[2]); "
        "warehouse.execute('DROP TABLE hubspot.threads'); "
        "warehouse.execute(f'CREATE TABLE hubspot.threads AS FROM {sys.argv[3]!r}')",
        warehouse,
        command.replace("'threads.parquet'", f"'{parquet}'"),
        parquet,
    )
    rows = in_duckdb(warehouse)
    assert list(differences(account.threads(), rows)) == []


@pytest.mark.fresh
def test_the_pin_of_duckdb_is_needed(tmp_path: Path) -> None:
    """A later DuckDB loses the first row of a batch, and the loader exits with 0.

    When this test fails, the pin and its documentation can be removed.
    """
    [loader] = re.findall(r"`(target-duckdb==\S+) duckdb>=1\.0,<1\.3`", readme.TEXT)
    uv = str(Path(sys.executable).with_name("uv"))
    tool = [uv, "tool", "run", "--quiet", "--python", ">=3.11,<3.14", "--from", loader]
    account = Account(size=50, seed=15)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        messages = run_here(settings(hubspot.url, sweep_interval_hours=12)).messages
    config = tmp_path / "config.json"
    warehouse = tmp_path / "warehouse.duckdb"
    config.write_text(
        json.dumps({"path": str(warehouse), "default_target_schema": "hubspot"})
    )
    run = functools.partial(
        subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    later = [*tool, "--with", "duckdb==1.3.2"]
    run(
        [*later, "target-duckdb", "--config", str(config)],
        input="".join(f"{json.dumps(message)}\n" for message in messages),
    )
    code = (
        "import duckdb; rows = duckdb.connect('warehouse.duckdb').execute("
        "'SELECT id FROM hubspot.threads').fetchall(); print(*[id for id, in rows])"
    )
    loaded = run([*later, "python", "-c", code]).stdout.split()
    written = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
    assert sorted(loaded) == sorted(written[1:])
