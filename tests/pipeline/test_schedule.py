"""The scheduled extract as on a runner: fresh clones and an external state store."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import typing as t

import psycopg
import pytest
import yaml

from tests.demo.truth import differences
from tests.fake_hubspot import TOKEN, Account, FakeHubSpot
from tests.support.bootstrap import PINS, ROOT
from tests.support.harness import by_id, run_here, settings, written
from tests.support.meltano_project import in_postgres
from tests.support.schedule import AWS, S3, WORKFLOW, Job, clone, finish

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("schedule")

SIZE = 1_200
STATE_ID = "prod:tap-hubspot-threads-to-target-postgres"


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make two clones, with nothing installed before the first test."""
    folder = tmp_path_factory.mktemp("clones")
    return clone(folder / "one"), clone(folder / "two")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Serve an S3 with a bucket."""
    with S3.serve("a-bucket") as server:
        yield server


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """Return the address of a database that no other test uses."""
    yield postgres
    with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
        connection.execute("DROP SCHEMA IF EXISTS hubspot CASCADE")


class Schedule:
    """The settings of a user's repository, and the runs that use them."""

    def __init__(
        self, hubspot: FakeHubSpot, database: str, state: str, s3: S3 | None = None
    ) -> None:
        self.hubspot = hubspot
        self.database = database
        self.values = {
            "MELTANO_STATE_BACKEND_URI": state,
            "TAP_HUBSPOT_THREADS_ACCESS_TOKEN": TOKEN,
            "TARGET_POSTGRES_SQLALCHEMY_URL": database,
            **AWS,
        }
        self.env = {
            # In tests, HubSpot and S3 have other addresses; nothing else differs.
            "TAP_HUBSPOT_THREADS_API_URL": hubspot.url,
            **({"AWS_ENDPOINT_URL": s3.url} if s3 else {}),
        }

    def start(self, where: Path, *options: str, **env: str) -> subprocess.Popen[str]:
        """Start a run in a clone."""
        job = Job.of_workflow()
        return job.start(where, self.values, *options, **self.env | env)

    def run(self, where: Path, *options: str, code: int = 0, **env: str) -> str:
        """Run in a clone until the end, and return the log."""
        self.hubspot.forget()
        log = finish(self.start(where, *options, **env), code)
        assert TOKEN not in log
        assert AWS["AWS_SECRET_ACCESS_KEY"] not in log
        return log

    def differences(self) -> list[str]:
        """Compare the table with the account."""
        return list(differences(self.hubspot.account.threads(), self.rows()))

    def rows(self) -> list[dict[str, t.Any]]:
        """Return the rows of the table."""
        return in_postgres(self.database)


def bookmark(state: t.Any) -> dict[str, t.Any]:
    """Return the bookmark in Meltano's stored state."""
    found: dict[str, t.Any]
    found = state["completed"]["singer_state"]["bookmarks"]["threads"]
    return found


def change(account: Account) -> int:
    """Let an hour pass in which some threads get a message and one is created."""
    account.clock.advance(hours=1)
    changed = account.live_ids()[:7]
    for thread in changed:
        account.message(thread)
    account.create()
    return len(changed) + 1


def in_files(folder: Path) -> dict[str, t.Any]:
    """Return the states stored in a folder."""
    return {
        str(file.relative_to(folder)): json.loads(file.read_text())
        for file in folder.rglob("state.json")
    }


@pytest.mark.fresh
@pytest.mark.parametrize(
    "kind", ["s3", pytest.param("file", marks=pytest.mark.nightly)]
)
def test_a_second_run_in_a_fresh_clone_extracts_only_what_changed(
    kind: str,
    s3: S3,
    clones: tuple[Path, Path],
    database: str,
    tmp_path: Path,
) -> None:
    """The state in its store is all that one run passes on to the next."""
    account = Account(size=SIZE, seed=21)
    state = f"s3://{s3.bucket}/meltano" if kind == "s3" else tmp_path.as_uri()
    with FakeHubSpot(account) as hubspot:
        schedule = Schedule(hubspot, database, state, s3)
        schedule.run(clones[0])
        first = hubspot.list_requests
        assert schedule.differences() == []
        changed = change(account)
        schedule.run(clones[1])
        second = hubspot.list_requests
        assert schedule.differences() == []
    # Changes and sweep take three pages each, archived threads take one.
    assert len(first) == 7
    [changes] = second
    assert changed <= changes.rows <= changed + 5, "more than the overlap"

    stored = s3.objects() if kind == "s3" else in_files(tmp_path)
    [key] = [key for key in stored if not key.endswith("lock")]
    assert key.endswith(f"{STATE_ID}/state.json")
    newest = max(thread["latestMessageTimestamp"] for thread in account.threads())
    assert bookmark(stored[key])["replication_key_value"] == newest


@pytest.mark.fresh
def test_runs_that_overlap_lose_nothing(
    clones: tuple[Path, Path], database: str, tmp_path: Path
) -> None:
    """At worst, rows are written twice. The run that ends last leaves a valid state."""
    account = Account(size=SIZE, seed=22)
    halfway, go_on = threading.Event(), threading.Event()

    def wait(number: int, _: object) -> None:
        if number == 2:
            halfway.set()
            go_on.wait(120)

    with FakeHubSpot(account) as slow, FakeHubSpot(account) as hubspot:
        slow.before_request = wait
        late = Schedule(slow, database, tmp_path.as_uri())
        early = Schedule(hubspot, database, tmp_path.as_uri())
        began_first = late.start(clones[0])
        try:
            assert halfway.wait(120)
            again = late.run(clones[0], code=1)
            assert f"Another '{STATE_ID}' pipeline is already running" in again
            change(account)
            early.run(clones[1])
            [(_, ended_first)] = in_files(tmp_path).items()
        finally:
            go_on.set()
            finish(began_first)
        [(_, stays)] = in_files(tmp_path).items()
        moments = [bookmark(s)["replication_key_value"] for s in (ended_first, stays)]
        newest = max(thread["latestMessageTimestamp"] for thread in account.threads())
        # The one that ends last began first, so its bookmark is earlier.
        assert moments[0] == newest
        assert moments[1] <= newest
        assert late.differences() == []

        changed = change(account)
        goes_on = stays["completed"]["singer_state"]
        resumed = run_here(
            settings(hubspot.url, access_token=TOKEN), state=goes_on
        ).records
        assert changed <= len(resumed) <= 2 * changed + 9
        rows = by_id(late.rows()) | by_id(resumed)
        assert rows == by_id(written(thread) for thread in account.threads())


def test_one_run_at_a_time_where_the_clone_is_kept() -> None:
    """Two jobs of the workflow never overlap, and none is canceled."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["concurrency"] == {"group": "extract", "cancel-in-progress": False}


@pytest.mark.fresh
def test_a_tap_that_fails_makes_the_job_fail(
    clones: tuple[Path, Path], database: str, tmp_path: Path
) -> None:
    """The job ends with exit code 1, and its log names the remedy."""
    with FakeHubSpot(Account(size=SIZE, seed=23)) as hubspot:
        schedule = Schedule(hubspot, database, tmp_path.as_uri())
        schedule.values["TAP_HUBSPOT_THREADS_ACCESS_TOKEN"] = "another"
        log = schedule.run(clones[0], code=1)
    assert "Remedy: check the setting `access_token`" in log


@pytest.mark.fresh
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 1, marks=pytest.mark.nightly),
    ],
)
def test_a_signal_to_the_script_ends_all_of_it(
    number: signal.Signals,
    code: int,
    clones: tuple[Path, Path],
    database: str,
    tmp_path: Path,
) -> None:
    """Meltano, tap and loader all end, with the documented exit code."""
    asked = threading.Event()

    def linger(*_: object) -> None:
        asked.set()
        time.sleep(0.5)

    with FakeHubSpot(Account(size=SIZE, seed=23)) as hubspot:
        hubspot.before_request = linger
        schedule = Schedule(hubspot, database, tmp_path.as_uri())
        process = schedule.start(clones[0])
        assert asked.wait(120)
        process.send_signal(number)
        log = finish(process, code)
    assert "Stopped by SIGTERM" in log


def test_the_script_asks_for_a_place_for_the_state(clones: tuple[Path, Path]) -> None:
    """It fails before it installs anything: each run would extract everything."""
    process = Job.of_workflow().start(clones[1], {})
    assert "MELTANO_STATE_BACKEND_URI: is not set" in finish(process, 1)


def test_the_script_pins_what_the_tests_run_with() -> None:
    """The script uses the same versions as the tests."""
    script = (ROOT / ".github" / "extract.sh").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", PINS.read_text(), re.MULTILINE))
    for name in ("meltano", "uv"):
        assert re.findall(rf"^{name}=(\S+)$", script, re.MULTILINE) == [pins[name]]
