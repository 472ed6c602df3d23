"""Statements in the documentation are true."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

import yaml

from tap_hubspot_threads.responses import RETRIED_STATUSES
from tap_hubspot_threads.retry import LONGEST_STEP, RULES
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support.bootstrap import ROOT
from tests.support.harness import TOKEN, run_here, settings
from tests.support.meltano_project import LOADERS
from tests.support.readme import PAGES, TEXT, block

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
    [stream] = json.loads(snapshot)["streams"]
    assert told == {
        name: field.get("format") or next(x for x in field["type"] if x != "null")
        if isinstance(field["type"], list)
        else field["type"]
        for name, field in stream["schema"]["properties"].items()
    }


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
