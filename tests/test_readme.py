"""What the README tells a user to do, does what it says."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

import yaml

from tap_hubspot_threads.client import RETRIED_STATUSES
from tap_hubspot_threads.retry import LONGEST_STEP, RULES
from tests.fake_hubspot import Account, FakeHubSpot
from tests.harness import TOKEN, run_here, settings
from tests.meltano_project import LOADERS
from tests.readme import README, block

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
"""All that the endpoint takes, by HubSpot's reference."""


def test_the_hashing_example_hides_the_ids() -> None:
    """Ids of people come out as salted hashes, and null stays null."""
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
    """Each of the four has a whole plugin to copy, which says that nobody ran it."""
    section = README.split("### Warehouses that the tests do not reach", 1)[1]
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
    """The table names what drives each of the parameters, and none that is not."""
    table = README.split("| Parameter | Set by |", 1)[1].split("\n\n", 1)[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == PARAMETERS


def test_the_statuses_that_are_retried_are_told() -> None:
    """The table of what goes wrong names each status of the retry policy."""
    table = README.split("| What happens | What the tap does |", 1)[1].split("\n\n")[0]
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
    assert RULES["429 TEN_SECONDLY_ROLLING"].floor == 10
    assert LONGEST_STEP == 60
