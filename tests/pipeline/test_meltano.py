"""The whole pipeline: Meltano, the tap, each loader, a warehouse, and a second run.

Everything happens in a copy of the project, so that the working tree does not change.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import subprocess
import typing as t

import pytest

from tap_hubspot_threads.report.metrics import NAMES
from tests.demo.account import INBOXES, MESSAGES_A_DAY, NEW_THREADS_A_DAY, SIZE
from tests.demo.truth import CUSTOMERS, FIELDS_OF, differences, rows_of, written
from tests.fake_hubspot import TOKEN, Account, FakeHubSpot, Shape
from tests.support.duckdb_file import in_duckdb
from tests.support.meltano_project import (
    as_copied,
    environment,
    in_csv,
    in_jsonl,
    in_postgres,
    newest,
)
from tests.support.readme import TEXT, block, is_shown, type_in, with_venv

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.support.meltano_project import Project

# One process runs all of these, because they share one installation of the plugins.
pytestmark = pytest.mark.xdist_group("meltano")

APPENDING = ("target-jsonl", "target-csv")


def test_demo(project: Project) -> None:
    """The second run of the demo only loads what happened since the first."""
    demo, again = (
        block("console", "uv run meltano run demo"),
        block("console", "python3 tests/demo"),
    )
    # Settings for a real account do not reach the demo.
    first = type_in(
        with_venv(project),
        demo,
        TAP_HUBSPOT_THREADS_INBOX_IDS="[1]",
        TARGET_DUCKDB_PATH="elsewhere.duckdb",
    )
    assert not (project.root / "elsewhere.duckdb").exists()
    assert is_shown(first, demo.output), first
    assert f"Day 0 of the account. Threads written: {SIZE:,}. " in first
    assert f"Equal: the table holds the {SIZE:,} threads" in first
    for name in INBOXES:
        assert re.search(rf"^{name} +[\d,]+ +[\d,]+$", first, re.MULTILINE)

    second = type_in(project.root, again)
    assert is_shown(second, again.output), second
    # Plus the newest thread of the first run, which lies in the overlap.
    brought = MESSAGES_A_DAY + NEW_THREADS_A_DAY + 1
    assert f"Day 1 of the account. Threads written: {brought}. " in second
    # Seven without messages, another list, one for each history, three for more actors.
    assert f"Requests to HubSpot: {7 + 1 + brought + 3}\n" in second
    for printed in (first, second):
        assert "\nEqual: the median first response of each inbox\n" in printed
    assert f"Equal: the table holds the {SIZE + NEW_THREADS_A_DAY:,} threads" in second

    for printed in (first, second):
        assert "Left out" not in printed
    page = (project.root / "demo.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(NAMES)
    # Another job reports on what a user has loaded.
    report = type_in(
        project.root,
        block("console", "meltano run report"),
        TARGET_DUCKDB_PATH=str(project.root / "demo.duckdb"),
    )
    assert f"{SIZE + NEW_THREADS_A_DAY:,} threads in hubspot.threads of demo" in report
    assert "Page: report_dev.html\n" in report
    own = (project.root / "report_dev.html").read_text(encoding="utf-8")
    assert own.count("<svg") == len(NAMES)

    # A difference in any table fails the job.
    project.duckdb(
        "import duckdb; demo = duckdb.connect('demo.duckdb'); "
        "demo.execute('UPDATE hubspot.threads SET spam = NOT spam "
        "WHERE id = (SELECT max(id) FROM hubspot.threads)'); "
        "demo.execute('DELETE FROM hubspot.inboxes WHERE id = 1204::TEXT'); "
        "demo.execute('ALTER TABLE hubspot.channels DROP name'); "
        "demo.execute('DROP TABLE hubspot.actors')"
    )
    failed = project.meltano("run", "report:demo")
    assert failed.returncode == 1
    assert "NOT EQUAL, differences: " in failed.stdout
    assert ", spam: " in failed.stdout
    assert "inbox 1204 is missing" in failed.stdout
    assert "channel 1000, name: not in the table" in failed.stdout
    # Where there is no name, the report shows the ID.
    assert re.search(r"^1204 +[\d,]+ +[\d,]+$", failed.stdout, re.MULTILINE)
    assert re.search(r"^A-26\d+( +[\d,]+){3} █+$", failed.stdout, re.MULTILINE)


def test_differences() -> None:
    """A different field, an extra row and a missing row are all reported."""
    account = Account(size=3, seed=1)
    rows = [written(thread) for thread in account.threads()]
    assert list(differences(account.threads(), rows)) == []

    other = rows[0] | {"status": "SLEEPING"}
    [found] = differences(account.threads(), [other, *rows[1:]])
    assert "status: 'SLEEPING' in the table" in found
    [found] = differences(account.threads(), rows[1:])
    assert found == f"thread {rows[0]['id']} is missing"
    [found] = differences(account.threads(), [*rows, rows[0] | {"id": "1"}])
    assert found == "thread 1 is not in the account"
    [found] = differences(account.threads(), [*rows, rows[0]])
    assert "more than once" in found


@pytest.mark.parametrize("stream", FIELDS_OF)
def test_differences_of_each_stream(stream: str) -> None:
    """In each stream, a wrong field and a missing row are reported."""
    truth = rows_of(Account(size=50, seed=1), stream)
    rows = [written(row, stream) for row in truth]
    assert list(differences(truth, rows, stream)) == []
    last = FIELDS_OF[stream][-1]
    other = rows[0] | {last: "something else"}
    [found] = differences(truth, [other, *rows[1:]], stream)
    assert f" {rows[0]['id']}, {last}: 'something else' in the table" in found
    [found] = differences(truth, rows[1:], stream)
    assert found.endswith(f" {rows[0]['id']} is missing")


def test_report_without_a_table(project: Project) -> None:
    """The report says that there is no file, which its setting names."""
    report = subprocess.run(
        [project.python.with_name("hubspot-threads-report")],
        env=environment() | {"REPORT_PATH": "nowhere.duckdb"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode == 1
    assert "Cannot read nowhere.duckdb. There is no such file" in report.stderr


def test_every_loader_holds_the_same_rows(
    project: Project, postgres: str, tmp_path: Path
) -> None:
    """After both runs, every loader matches the account and the documented counts.

    Meltano selects everything by default. Even so, `actors` contains customers only
    with `include_visitors`, which the run with the CSV loader sets.
    """
    account = Account(size=1_500, seed=3, shape=Shape.awkward(tie_size=40))
    warehouse = tmp_path / "loaded.duckdb"
    files = tmp_path / "files"
    run = functools.partial(
        project.run,
        "threads",
        *("tap-hubspot-threads", "target-jsonl"),
        *("tap-hubspot-threads", "target-postgres"),
        TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
        # Meltano passes settings from the environment on as text.
        TAP_HUBSPOT_THREADS_SWEEP_INTERVAL_HOURS="0.5",
        TAP_HUBSPOT_THREADS_PAGE_SIZE="250",
        TARGET_DUCKDB_PATH=str(warehouse),
        TARGET_JSONL_DESTINATION_PATH=str(files),
        TARGET_JSONL_DO_TIMESTAMP_FILE="false",
        TARGET_POSTGRES_SQLALCHEMY_URL=postgres,
    )
    run_csv = functools.partial(
        project.run,
        *("tap-hubspot-threads", "target-csv"),
        TAP_HUBSPOT_THREADS_ACCESS_TOKEN=TOKEN,
        TAP_HUBSPOT_THREADS_FLATTENING_ENABLED="true",
        TAP_HUBSPOT_THREADS_FLATTENING_MAX_DEPTH="1",
        TAP_HUBSPOT_THREADS_INCLUDE_VISITORS="true",
        TARGET_CSV_OUTPUT_PATH=str(files),
    )
    overlap = max(_latest(account)) - dt.timedelta(minutes=5)
    found: dict[str, list[int]] = {}
    with FakeHubSpot(account) as hubspot:
        for later in (False, True):
            if later:
                _let_time_pass(account)
            hubspot.forget()
            log = run(TAP_HUBSPOT_THREADS_API_URL=hubspot.url)
            run_csv(TAP_HUBSPOT_THREADS_API_URL=hubspot.url)
            assert f"{len(account):,} threads in hubspot.threads of loaded" in log
            for stream in FIELDS_OF:
                for loader, loaded in (
                    ("target-duckdb", in_duckdb(warehouse, stream=stream)),
                    ("target-postgres", in_postgres(postgres, stream=stream)),
                    ("target-jsonl", in_jsonl(files / f"{stream}.jsonl")),
                    ("target-csv", in_csv(files, stream=stream)),
                ):
                    if stream == "threads":
                        found.setdefault(loader, []).append(len(loaded))
                    rows = newest(loaded) if loader in APPENDING else loaded
                    truth = rows_of(account, stream, customers=loader == "target-csv")
                    assert list(differences(truth, rows, stream)) == [], loader
    assert {row["id"][0] for row in in_csv(files, "actors")} > CUSTOMERS.keys()
    # In the second round, each of the four runs sends the documented requests.
    assert hubspot.requests_by_endpoint == {
        "threads": 4,
        "inboxes": 8,
        "channels": 4,
        "channel-accounts": 8,
        "actors": 4,
        "messages": 0,
        "original-content": 0,
        "token": 0,
        "other": 0,
    }
    again = sum(moment >= overlap for moment in _latest(account))
    for loader, (first, second) in found.items():
        assert first == 1_500
        assert second == (1_500 + again if loader in APPENDING else 1_501)
        row = rf"^\| `{loader}` \|.*" + rf"\| {first:,} " * 2 + rf"\| {second:,} " * 2
        assert re.search(row + r"\|$", TEXT, re.MULTILINE)


def _latest(account: Account) -> list[dt.datetime]:
    """Return the times of the last messages, for the threads that have one."""
    moments = (thread.get("latestMessageTimestamp") for thread in account.threads())
    return [dt.datetime.fromisoformat(moment) for moment in moments if moment]


def _let_time_pass(account: Account) -> None:
    account.clock.advance(hours=1)
    for thread in account.live_ids()[::30]:
        account.message(thread)
        account.assign(thread, "A-größe")
    account.create()


def test_project_file_is_left_alone(project: Project) -> None:
    """No run changes meltano.yml."""
    assert (project.root / "meltano.yml").read_bytes() == as_copied("meltano.yml")


def test_settings_are_asked_for(project: Project) -> None:
    """Meltano lists the required settings, and hides the secret ones."""
    listed = project.meltano(
        "config",
        "list",
        "tap-hubspot-threads",
        TAP_HUBSPOT_THREADS_ACCESS_TOKEN="s3cret",
    )
    assert listed.returncode == 0, listed.stdout
    assert "Group 1: access_token" in listed.stdout
    assert "Group 2: client_id, client_secret, refresh_token" in listed.stdout
    assert "s3cret" not in listed.stdout
