"""Statements in the documentation are true."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import typing as t

import pytest
import yaml

from tap_hubspot_threads.responses import RETRIED_STATUSES
from tap_hubspot_threads.retry import LONGEST_STEP, RULES
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support.bootstrap import ROOT
from tests.support.harness import TOKEN, run_here, run_tap, settings
from tests.support.meltano_project import LOADERS
from tests.support.readme import PAGES, TEXT, block

if t.TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = (
    "after",
    "archived",
    "associatedContactId",
    "associatedTicketId",
    "association",
    "inboxId",
    "latestMessageTimestampAfter",
    "limit",
    "property",
    "sort",
    "threadStatus",
)
"""All parameters of the endpoint in HubSpot's reference."""


def test_the_hashing_example_hides_the_ids() -> None:
    """IDs of people are written as salted hashes, and null stays null."""
    example = json.loads(block("json", "stream_maps").text)
    salt = example["stream_map_config"]["salt"]
    account = Account(size=60)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        plain = run_here(settings(hubspot.url)).records
        hashed = run_here(settings(hubspot.url, **example)).records

    def pseudonym(value: str | None) -> str | None:
        return value and hashlib.sha256((salt + value).encode()).hexdigest()

    names = ("associatedContactId", "assignedTo")
    assert hashed == [row | {n: pseudonym(row[n]) for n in names} for row in plain]
    assert {row["assignedTo"] is None for row in plain} == {True, False}


def test_warehouses_that_were_not_run_are_marked() -> None:
    """Each of the four has a complete plugin to copy, marked as not run."""
    section = TEXT.split("## Loaders that were not run", 1)[1]
    section = section.split("\n## ", 1)[0]
    written = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert [text.partition("\n")[0] for text in written] == [
        f"- name: target-{name}  # not run"
        for name in ("snowflake", "bigquery", "redshift", "databricks")
    ]
    for text in written:
        [plugin] = yaml.safe_load(text)
        assert plugin["name"] == plugin["executable"] not in LOADERS
        assert plugin["namespace"] == plugin["name"].replace("-", "_")
        assert plugin["pip_url"]
        assert plugin["config"]


def test_every_parameter_of_the_endpoint_is_explained() -> None:
    """The table contains exactly the endpoint's parameters."""
    table = TEXT.split("| Parameter | Set by |", 1)[1].split("\n\n", 1)[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == PARAMETERS


def test_the_statuses_that_are_retried_are_told() -> None:
    """The table of errors names each status of the retry policy."""
    table = TEXT.split("| What happens | What the tap does |", 1)[1].split("\n\n")[0]
    told: dict[str, str] = dict(
        re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    )
    tried_again: t.Iterator[str] = (
        events for events, then in told.items() if "fails: " not in then
    )
    text = " ".join(tried_again)
    assert all(str(status) in text for status in RETRIED_STATUSES)
    assert RULES["423"].floor == 2
    assert RULES["429 SECONDLY"].floor == 1
    assert RULES["429"].floor == 10
    assert LONGEST_STEP == 60


def test_the_fake_answers_as_the_readme_says(tmp_path: Path) -> None:
    """The command prints the address, and the tap can be tried with the token."""
    page = PAGES["README.md"]
    [command] = re.findall(
        r"`uv run python (-m tests\.fake_hubspot --port 8080)`", page
    )
    [url, token] = re.findall(
        r"`api_url` to `(.+?)` and `access_token` to\s`(.+?)`", page
    )[0]
    # Port 8080 may be in use on this machine.
    arguments = command.replace("8080", "0").split()
    with subprocess.Popen(
        [sys.executable, *arguments, "--size=3"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as fake:
        try:
            assert fake.stdout
            printed = fake.stdout.readline().strip()
            assert url.rpartition(":")[0] == printed.rpartition(":")[0]
            output = run_tap(tmp_path, {"api_url": printed, "access_token": token})
        finally:
            fake.terminate()
    assert output.code == 0, output.stderr
    assert len(output.records) == 3


def test_the_readme_is_short() -> None:
    """It is short enough to read to the end; the rest is in docs/."""
    assert len(PAGES["README.md"].splitlines()) <= 250


def test_the_table_of_fields_is_complete() -> None:
    """The README lists exactly the fields of a thread, with their types."""
    table = PAGES["README.md"].split("| Field | Type | |", 1)[1].split("\n\n", 1)[0]
    told = {
        name: kind
        for names, kind in re.findall(r"^\| ([^|]+) \| (\S+) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    snapshot = (ROOT / "tests" / "snapshots" / "catalog.json").read_text()
    streams = {s["tap_stream_id"]: s for s in json.loads(snapshot)["streams"]}
    assert told == {
        name: field.get("format") or next(x for x in field["type"] if x != "null")
        if isinstance(field["type"], list)
        else field["type"]
        for name, field in streams["threads"]["schema"]["properties"].items()
    }


def test_the_tables_of_streams_are_complete() -> None:
    """The README names every stream, and How it works every field of the others."""
    snapshot = (ROOT / "tests" / "snapshots" / "catalog.json").read_text()
    fields = {
        stream["tap_stream_id"]: list(stream["schema"]["properties"])
        for stream in json.loads(snapshot)["streams"]
    }
    assert requests_by_stream().keys() == {*fields, "messages"}
    header = "| Stream | Field of `threads` | Fields |"
    table = PAGES["docs/how-it-works.md"].split(header, 1)[1].split("\n\n", 1)[0]
    told = {}
    for stream, field, names in re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \|$", table, re.MULTILINE
    ):
        assert field in fields["threads"]
        told[stream] = re.findall(r"`(\w+)`", names)
    assert told == {name: fields[name] for name in fields if name != "threads"}


def requests_by_stream() -> dict[str, int]:
    """Return the number of requests of a quiet run, from the table in the README."""
    header = "| Stream | One row per | Each run reads | Requests |"
    table = PAGES["README.md"].split(header, 1)[1].split("\n\n", 1)[0]
    found = re.findall(r"^\| `(\w+)` \|.*\| (\d+)[^|]*\|$", table, re.MULTILINE)
    return {stream: int(number) for stream, number in found}


@pytest.mark.parametrize("versions", [False, True])
def test_the_requests_of_a_quiet_run(*, versions: bool) -> None:
    """A run with few changes sends as many requests as the README says.

    With ACTIVATE_VERSION, inboxes, channels and channel accounts are read twice.
    """
    account = Account(size=300)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(
            hubspot.url,
            sweep_interval_hours=12,
            emit_activate_version_messages=versions,
        )
        first = run_here(config, catalog=None)
        account.message(account.create(assignedTo="A-2620022"))
        hubspot.forget()
        run_here(config, state=first.states[-1], catalog=None)
    expected = requests_by_stream()
    del expected["messages"]
    for stream in ("inboxes", "channels", "channel_accounts"):
        expected[stream] *= 1 + versions
    sent = hubspot.requests_by_endpoint
    assert {s: sent[s.replace("_", "-")] for s in expected} == expected
    assert sum(sent.values()) == (12 if versions else 7)


def test_the_requests_of_messages() -> None:
    """A run with few changes sends one for each thread with a message, and one more.

    Besides, it asks for the assignees, and for the new actors of up to ten threads.
    """
    account = Account(size=300)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        config = settings(hubspot.url, include_messages=True)
        first = run_here(config, catalog=None)
        account.clock.advance(hours=1)
        for _ in range(3):
            account.create()
        hubspot.forget()
        run_here(config, state=first.states[-1], catalog=None)
    # The newest thread of the first run lies in the overlap.
    assert hubspot.requests_by_endpoint["messages"] == 4
    assert hubspot.requests_by_endpoint["threads"] == 2
    assert hubspot.requests_by_endpoint["actors"] == 2
    told = re.search(
        r"^\| `messages` \|.*\| ([^|]+) \|$", PAGES["README.md"], re.MULTILINE
    )
    assert told
    assert told[1] == "1 for each of these threads, and 1"


def test_the_duration_of_a_first_load_of_messages() -> None:
    """The table of times is calculated from the number of requests."""
    header = "| Threads | Requests | Time, calculated |"
    table = PAGES["docs/how-it-works.md"].split(header, 1)[1].split("\n\n", 1)[0]
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d,]+) \| (\S+) (\w+) \|$", table, re.MULTILINE
    )
    assert len(rows) == 3
    seconds = {"minutes": 60, "hours": 3600}
    for threads, requests, time, unit in rows:
        assert threads == requests
        assert f"{int(threads.replace(',', '')) / 19 / seconds[unit]:.1f}" == time


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub creates for the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


def test_every_link_leads_somewhere() -> None:
    """A link within the repository names an existing file and heading."""
    links = 0
    for name, page in PAGES.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", page):
            if "://" in target:
                continue
            links += 1
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            assert file.exists(), f"{name}: {target}"
            if anchor:
                assert anchor in anchors(file.read_text()), f"{name}: {target}"
    assert links >= 30


def test_the_diagram_names_every_module() -> None:
    """The architecture diagram only names existing modules."""
    named = set(re.findall(r"(\w+\.py)", block("text", "tap.py").text))
    modules = {path.name for path in (ROOT / "tap_hubspot_threads").glob("*.py")}
    assert named <= modules
    assert len(named) > 10
