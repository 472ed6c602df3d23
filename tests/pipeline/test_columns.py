"""How a thread is stored in a table: names, nesting, selection, maps, BATCH.

For each case, the tap runs twice: first without a state, then after some changes with
the state. Because a loader takes seconds to start, one start loads the output of all
cases, each into its own table.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import hashlib
import json
import typing as t

import pytest
import yaml

from tests.demo.truth import TIMESTAMPS, written
from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support import readme
from tests.support.harness import FIELDS, TOKEN, run_here, select, settings
from tests.support.meltano_project import select_duckdb, select_postgres

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.meltano_project import Project, Row

pytestmark = pytest.mark.xdist_group("loaders")

SCHEMA = "columns"

SNAKE_CASE = {
    "id": "id",
    "createdAt": "created_at",
    "closedAt": "closed_at",
    "status": "status",
    "latestMessageTimestamp": "latest_message_at",
    "latestMessageSentTimestamp": "latest_message_sent_at",
    "latestMessageReceivedTimestamp": "latest_message_received_at",
    "assignedTo": "assigned_to",
    "associatedContactId": "contact_id",
    "inboxId": "inbox_id",
    "originalChannelId": "channel_id",
    "originalChannelAccountId": "channel_account_id",
    "spam": "spam",
    "archived": "archived",
}
DESELECTED = [
    rule.removeprefix("!threads.")
    for rule in yaml.safe_load(readme.block("yaml", "!threads.assignedTo").text)[
        "select"
    ]
    if rule.startswith("!")
]
"""The fields that the documented example leaves out."""


def flat(row: Row) -> Row:
    """The ticket as a separate column."""
    ticket = (row["threadAssociations"] or {}).get("associatedTicketId")
    rest = {name: row[name] for name in row if name != "threadAssociations"}
    return rest | {"threadAssociations__associatedTicketId": ticket}


def snake(row: Row) -> Row:
    """The names of the documented stream map."""
    renamed = {new: row[old] for old, new in SNAKE_CASE.items()}
    ticket = (row["threadAssociations"] or {}).get("associatedTicketId")
    return renamed | {"ticket_id": ticket}


def few(row: Row) -> Row:
    """The row without the fields that the example deselects."""
    return {name: row[name] for name in row if name not in DESELECTED}


def mapped(row: Row) -> Row | None:
    """Rename, hash, drop and filter as documented; None if filtered out."""
    if row["originalChannelId"] != "1002":
        return None
    rest = dict(row)
    contact = rest["associatedContactId"]
    salted = "a long random text of your own" + (contact or "")
    digest = hashlib.sha256(salted.encode()).hexdigest()
    del rest["assignedTo"]
    return rest | {
        "mailbox": rest.pop("originalChannelAccountId"),
        "associatedContactId": contact and digest,
    }


CASES: dict[str, Callable[[Row], Row | None]] = {
    "nested": dict,
    "flat": flat,
    "snake": snake,
    "few": few,
    "mapped": mapped,
    "batch": dict,
}
ROWS = [case for case in CASES if case != "batch"]
"""The cases that every loader accepts: only PostgreSQL's reads BATCH files."""


@dataclasses.dataclass
class Tables:
    """A table for each case, in both databases.

    Attributes:
        duckdb: The rows in DuckDB.
        postgres: The rows in PostgreSQL.
        account: The account that they come from.
        batches: The files of the case "batch".
        sizes: How many rows PostgreSQL had after the first run.
    """

    duckdb: dict[str, list[Row]]
    postgres: dict[str, list[Row]]
    account: Account
    batches: list[Path]
    sizes: dict[str, int]

    def expected(self, case: str) -> list[Row]:
        """Return the rows of a case, made from the account."""
        rows = (CASES[case](written(thread)) for thread in self.account.threads())
        return [in_table(row) for row in rows if row is not None]


def in_table(row: Row) -> Row:
    """Return a row as the columns hold it: date-times in UTC, without a time zone."""
    return row | {
        name: str(dt.datetime.fromisoformat(value).replace(tzinfo=None))
        for name, value in row.items()
        if (name in TIMESTAMPS or name.endswith("_at")) and value
    }


@pytest.fixture(scope="module")
def tables(
    installed: Project, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Tables:
    """Run the tap twice for each case, and load the rows."""
    folder = tmp_path_factory.mktemp("columns")
    batch = readme.config("batch_config")
    assert batch["batch_config"]["storage"]["root"] == "file:///var/tmp/threads"
    batch["batch_config"]["storage"]["root"] = folder.as_uri()
    configs = {
        "flat": readme.config("flattening_enabled"),
        "snake": readme.config("created_at"),
        "mapped": readme.config("mailbox"),
        "batch": batch,
    }
    account = Account(size=250, seed=21, shape=Shape(unicode=True, silent=0.05))
    warehouse = folder / "warehouse.duckdb"
    sizes: dict[str, int] = {}
    states: dict[str, t.Any] = {}
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        for later in (False, True):
            if later:
                change(account)
            messages: dict[str, list[Row]] = {}
            for case in CASES:
                output = run_here(
                    settings(hubspot.url, sweep_interval_hours=12)
                    | configs.get(case, {}),
                    state=states.get(case),
                    catalog=select(*DESELECTED if case == "few" else ()),
                )
                states[case] = output.states[-1]
                messages[case] = [
                    message | {"stream": case} if "stream" in message else message
                    for message in output.messages
                ]
            assert len(messages["nested"]) < 50 if later else True
            installed.load(
                "target-duckdb",
                {"path": str(warehouse), "default_target_schema": SCHEMA},
                [message for case in ROWS for message in messages[case]],
            )
            installed.load(
                "target-postgres",
                {"sqlalchemy_url": postgres, "default_target_schema": SCHEMA},
                [message for case in CASES for message in messages[case]],
            )
            if not later:
                for case, [count] in zip(
                    CASES,
                    select_postgres(
                        postgres,
                        *(f"SELECT COUNT(*) AS n FROM {SCHEMA}.{c}" for c in CASES),
                    ),
                    strict=True,
                ):
                    sizes[case] = count["n"]
    queries = [f"SELECT * FROM {SCHEMA}.{case}" for case in CASES]
    in_duckdb = select_duckdb(installed, warehouse, *queries[: len(ROWS)])
    in_postgres = select_postgres(postgres, *queries)
    return Tables(
        duckdb=dict(zip(ROWS, in_duckdb, strict=True)),
        postgres=dict(zip(CASES, in_postgres, strict=True)),
        account=account,
        batches=sorted(folder.glob("*.gz")),
        sizes=sizes,
    )


def change(account: Account) -> None:
    """Some threads get a message, one gets another ticket, and one thread is new."""
    account.clock.advance(hours=1)
    for thread in account.live_ids()[::25]:
        account.message(thread)
        account.assign(thread, "A-größe")
    account.link_ticket(thread, "99")
    account.create()


def by_id(rows: list[Row]) -> list[Row]:
    """Return the rows without metadata, in the same order for both databases."""
    own = [
        {name: row[name] for name in row if not name.startswith("_sdc_")}
        for row in rows
    ]
    return sorted(own, key=lambda row: str(row["id"]))


@pytest.mark.parametrize("case", CASES)
def test_postgres(tables: Tables, case: str) -> None:
    """After both runs, PostgreSQL has the expected rows and HubSpot's column names."""
    assert by_id(tables.postgres[case]) == by_id(tables.expected(case))
    # One thread is new; the fake gives it the channel that the filter lets through.
    assert tables.sizes[case] == len(tables.expected(case)) - 1


@pytest.mark.parametrize("case", ROWS)
def test_duckdb(tables: Tables, case: str) -> None:
    """After both runs, DuckDB has the expected rows and column names in lower case."""
    expected = [
        {name.lower(): value for name, value in row.items()}
        for row in tables.expected(case)
    ]
    assert by_id(tables.duckdb[case]) == by_id(expected)


def test_cases_differ(tables: Tables) -> None:
    """Each case contains what it tests: tickets, names, nulls, filtered rows."""
    nested = by_id(tables.postgres["nested"])
    assert set(nested[0]) == set(FIELDS)
    assert {row["threadAssociations"] is None for row in nested} == {True, False}
    assert not any(name != name.lower() for name in tables.postgres["snake"][0])
    assert DESELECTED == ["assignedTo", "threadAssociations"]
    assert 0 < len(tables.postgres["mapped"]) < len(nested)


def test_batches_are_gzipped_json_lines(tables: Tables) -> None:
    """The files for PostgreSQL contain one row per line, compressed."""
    assert len(tables.batches) >= 2
    rows = 0
    for path in tables.batches:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows += sum(bool(json.loads(line)["id"]) for line in file)
    assert rows > len(tables.account)
