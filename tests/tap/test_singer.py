"""The messages are valid for Singer's own checker.

`singer-check-tap` parses every message with Singer's own library, expects a SCHEMA
before the first RECORD, and validates each record, including date-times.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.fake_hubspot import Account, FakeHubSpot, Shape
from tests.support import readme
from tests.support.harness import (
    TOKEN,
    Output,
    clean_environment,
    run_here,
    settings,
    start_tap,
)

if t.TYPE_CHECKING:
    from tests.support.harness import Message

pytestmark = pytest.mark.xdist_group("checker")

CASES: dict[str, dict[str, t.Any]] = {
    "plain": {"emit_activate_version_messages": True},
    "filtered": {"inbox_ids": [481939, 519204]},
    "flat": readme.config("flattening_enabled"),
    "mapped": readme.config("mailbox"),
    "unkeyed": readme.config("__key_properties__"),
}


class Checker:
    """Singer's checker, installed and started as documented."""

    def __init__(self, folder: Path) -> None:
        example = readme.block("console", "singer-check-tap").script
        uvx, *options = shlex.split(example.partition("|")[2])
        self.command = [str(Path(sys.executable).with_name(uvx)), "--quiet", *options]
        self.folder = folder
        self.env = clean_environment()

    def __call__(self, messages: str) -> subprocess.CompletedProcess[str]:
        """Run it until it ends."""
        done = subprocess.run(
            self.command,
            cwd=self.folder,  # where it creates a folder
            input=messages,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=self.env,
            check=False,
        )
        # It is installed now. Otherwise, uv asks the index about each package again.
        self.env["UV_OFFLINE"] = "1"
        return done


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    """Return Singer's checker."""
    return Checker(tmp_path_factory.mktemp("checker"))


@pytest.fixture(scope="module")
def hubspot() -> t.Iterator[FakeHubSpot]:
    """Serve an account with most of the difficult cases."""
    account = Account(size=60, seed=41, shape=Shape.awkward(tie_size=10))
    with FakeHubSpot(account, token=TOKEN) as server:
        yield server


def lines(messages: list[Message]) -> str:
    """Return messages as a tap writes them."""
    return "".join(f"{json.dumps(message)}\n" for message in messages)


@pytest.mark.parametrize("case", CASES)
def test_messages_are_valid(checker: Checker, hubspot: FakeHubSpot, case: str) -> None:
    """A first run and the next one are valid, and the checker counts them correctly."""
    config = settings(hubspot.url, sweep_interval_hours=12) | CASES[case]
    first = run_here(config)
    swept = run_here(config | {"sweep_interval_hours": 1e-6}, state=first.states[-1])
    messages = [*first.messages, *swept.messages]
    done = checker(lines(messages))
    assert done.returncode == 0, done.stdout
    assert "The output is valid." in done.stdout
    found = re.findall(r"^ *(\d+) (\w+) messages$", done.stdout, re.MULTILINE)
    counted = {kind: int(count) for count, kind in found}
    for kind in ("SCHEMA", "RECORD", "STATE"):
        sent = sum(message["type"] == kind for message in messages)
        assert counted[kind.lower()] == sent > 1


def test_the_command_is_valid(
    checker: Checker, hubspot: FakeHubSpot, tmp_path: Path
) -> None:
    """The bytes that the command prints are valid, without and with a state."""
    state = None
    for _ in range(2):
        # Without the checker's `--tap`, which may check the output before it is read.
        tap = start_tap(tmp_path, settings(hubspot.url), state=state)
        printed, _log = tap.communicate(timeout=60)
        done = checker(printed.decode())
        assert done.returncode == 0, done.stdout
        assert "The output is valid." in done.stdout
        state = Output.parse(printed, tap.returncode).states[-1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda messages: messages[1:],
        lambda messages: [*messages, _record(messages, id=176347007)],
        lambda messages: [
            *messages,
            _record(messages, createdAt="2026-01-31 18:00:00"),
        ],
        lambda messages: [*messages, {"type": "STATE"}],
    ],
    ids=["no schema", "id", "date-time", "no state"],
)
def test_what_is_not_valid_is_found(
    checker: Checker,
    hubspot: FakeHubSpot,
    damage: t.Callable[[list[Message]], list[Message]],
) -> None:
    """The checker rejects invalid messages."""
    messages = run_here(settings(hubspot.url)).messages
    done = checker(lines(damage(messages)))
    assert "Checking stdin" in done.stdout, "it was not started"
    assert done.returncode != 0


def _record(messages: list[Message], **fields: t.Any) -> Message:
    [*_, record] = [message for message in messages if message["type"] == "RECORD"]
    return record | {"record": record["record"] | fields}
