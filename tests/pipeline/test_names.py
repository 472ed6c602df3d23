"""The tables that give names to IDs, in DuckDB and PostgreSQL."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml

from tests.demo.truth import FIELDS_OF, NAMES, differences, rows_of
from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support.duckdb_file import in_duckdb
from tests.support.harness import TOKEN, Output, run_here, settings
from tests.support.meltano_project import LOADERS, in_postgres
from tests.support.readme import block

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.support.meltano_project import Project, Row

pytestmark = pytest.mark.xdist_group("loaders")

LARGE_INBOX = "5000000021"
LARGE_ACCOUNT = "7021198932"
"""IDs that do not fit into 32 bits. Every fake account has this channel account."""

LEAVES = "A-2620022"
JOINS = "A-9000000001"


def change(account: Account) -> None:
    """Advance the clock by an hour in which each of the four tables changes."""
    account.clock.advance(hours=1)
    directory = account.directory
    directory.rename_inbox("481939", "Sales «Größe» \u2028 O'Neill 🏃🏽\u200d♀️")
    directory.archive_inbox("519204")
    directory.delete_inbox("1204")
    directory.add_channel("1010", "New channel")
    renamed, archived, deleted = (
        row["id"] for row in directory.channel_account_rows()[:3]
    )
    directory.rename_channel_account(renamed, "Reception")
    directory.archive_channel_account(archived)
    directory.delete_channel_account(deleted)
    directory.remove_actor(LEAVES)
    directory.rename_actor("A-2620039", "Ada Lovelace")
    directory.add_actor(JOINS, name="New agent")
    account.assign(account.live_ids()[0], JOINS)


def rows(account: Account) -> dict[str, dict[str, Row]]:
    """Return the rows of the four streams, by their IDs."""
    return {s: {row["id"]: row for row in rows_of(account, s)} for s in NAMES}


@pytest.mark.parametrize("versions", [False, True])
def test_tables_of_names(
    project: Project, postgres: str, tmp_path: Path, *, versions: bool
) -> None:
    """After both runs, each table matches the account, field by field.

    PostgreSQL deletes rows with ACTIVATE_VERSION. Otherwise, deleted rows stay as they
    were.
    """
    account = Account(size=600, seed=41, shape=Shape.awkward())
    account.directory.add_inbox("Large", id=LARGE_INBOX)
    account.assign(account.live_ids()[1], LEAVES)
    schema = f"names_{versions}".lower()
    warehouse = tmp_path / "names.duckdb"
    loaders: dict[str, dict[str, t.Any]] = {
        "target-duckdb": {
            "path": str(warehouse),
            "default_target_schema": schema,
            "add_metadata_columns": True,
        },
        "target-postgres": {
            "sqlalchemy_url": postgres,
            "default_target_schema": schema,
            "hard_delete": True,
        },
    }
    state: dict[str, t.Any] | None = None
    before: dict[str, dict[str, Row]] = {stream: {} for stream in NAMES}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            sweep_interval_hours=1e-6,
            emit_activate_version_messages=versions,
        )
        for later in (False, True):
            if later:
                change(account)
            output = run_here(config, state=state, catalog=None)
            state = output.states[-1]
            now = rows(account)
            for loader, setting in loaders.items():
                project.load(loader, setting, output.messages)
            for stream in NAMES:
                kept = (before[stream] | now[stream]).values()
                # Only complete lists have versions, and actors have no list.
                deletes = versions and stream != "actors"
                for expected, found in (
                    (kept, in_duckdb(warehouse, schema, stream)),
                    (
                        now[stream].values() if deletes else kept,
                        in_postgres(postgres, schema, stream),
                    ),
                ):
                    assert list(differences(expected, found, stream)) == []
            before = now
    assert {LARGE_INBOX, "1204"} - before["inboxes"].keys() == {"1204"}
    assert LARGE_ACCOUNT in before["channel_accounts"]
    assert before["actors"][LEAVES] == {"id": LEAVES, "type": "AGENT"}
    assert before["actors"][JOINS]["name"] == "New agent"


def test_duckdb_needs_metadata_columns(project: Project, tmp_path: Path) -> None:
    """Without them, the loader takes the first row of `channels` for a header.

    Once this fails, the setting and what the documentation says about it can go.
    """
    assert LOADERS["target-duckdb"]["config"]["add_metadata_columns"] is True
    account = Account(size=5, seed=47)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        messages = run_here(settings(hubspot.url), catalog=None).messages
    truth = rows_of(account, "channels")
    for metadata in (False, True):
        warehouse = tmp_path / f"{metadata}.duckdb"
        config = {
            "path": str(warehouse),
            "default_target_schema": "hubspot",
            "add_metadata_columns": metadata,
        }
        project.load("target-duckdb", config, messages)
        loaded = in_duckdb(warehouse, stream="channels")
        expected = truth if metadata else truth[1:]
        assert list(differences(expected, loaded, "channels")) == []


def test_an_actor_that_nothing_mentions_keeps_its_name() -> None:
    """A run that reads no thread of an agent who has left writes nothing about them."""
    account = Account(size=60, seed=42, shape=Shape(unassigned=1.0))
    account.assign(account.live_ids()[0], LEAVES)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, sweep_interval_hours=12)
        first = run_here(config, catalog=None)
        account.directory.remove_actor(LEAVES)
        account.clock.advance(hours=1)
        account.message(account.create(assignedTo="A-2620039"))
        second = run_here(config, state=first.states[-1], catalog=None)
    assert [row["id"] for row in records(first, "actors")] == [LEAVES]
    assert [row["id"] for row in records(second, "actors")] == ["A-2620039"]


def test_threads_point_to_accounts_that_are_not_listed() -> None:
    """Some channel accounts of threads are missing from the list of channel accounts.

    That is why the documentation recommends LEFT JOIN.
    """
    account = Account(size=300, seed=43)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=None)
    accounts = {row["id"] for row in records(output, "channel_accounts")}
    pointed = {row["originalChannelAccountId"] for row in records(output, "threads")}
    assert pointed - accounts
    assert pointed & accounts


def records(output: Output, stream: str) -> list[Row]:
    """Return the rows of a stream in the output."""
    return [
        message["record"]
        for message in output.messages
        if message["type"] == "RECORD" and message["stream"] == stream
    ]


def test_what_is_deselected_for_privacy(project: Project) -> None:
    """The documented rules leave out names and addresses, and keep everything else."""
    rules = yaml.safe_load(block("yaml", "!actors.email").text)["select"]
    done = project.meltano(
        "invoke",
        "--dump=catalog",
        "tap-hubspot-threads",
        TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
        TAP_HUBSPOT_THREADS__SELECT=json.dumps(rules),
    )
    assert done.returncode == 0, done.stdout
    catalog = json.loads(done.stdout[done.stdout.index("{") :])
    account = Account(size=200, seed=45)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        output = run_here(settings(hubspot.url), catalog=catalog)
    left_out = [rule.removeprefix("!").split(".") for rule in rules if rule[0] == "!"]
    for stream, fields in FIELDS_OF.items():
        expected = {f for f in fields if [stream, f] not in left_out}
        [schema] = (
            message["schema"]
            for message in output.messages
            if message["type"] == "SCHEMA" and message["stream"] == stream
        )
        assert schema["properties"].keys() == expected
        assert {frozenset(row) for row in records(output, stream)} == {
            frozenset(expected)
        }
    names = [row for stream in NAMES for row in records(output, stream)]
    assert [row for row in names if "@" in json.dumps(row)] == []
    assert {"A", "B"} <= {row["id"][0] for row in names}
