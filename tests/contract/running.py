"""Runs the live mode, and checks what it sends and prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t

from tests.contract.client import MOST_REQUESTS
from tests.support.bootstrap import ROOT
from tests.support.harness import clean_environment

if t.TYPE_CHECKING:
    from tests.fake_hubspot import FakeHubSpot, SeenRequest

SECRET = "pat-eu1-not-a-real-token"
MODE = ["--import-mode=append"] * ("TESTED_WITH" in os.environ)
"""If the wheel is tested, so that the working tree is not tested instead."""

LOUD = (
    *("-n0", "-vvv", "-rA", "-s", "--tb=long", "--full-trace", "--showlocals"),
    *("--log-level=DEBUG", "--log-cli-level=DEBUG"),
)
"""Every option that makes pytest show more."""


def run_live(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the live mode in a process of its own."""
    kept = {n: v for n, v in clean_environment().items() if "PYTEST" not in n}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-mlive", "tests/contract", *MODE, *arguments],
        cwd=ROOT,
        env=kept | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def assert_only_reads(requests: list[SeenRequest]) -> None:
    """Assert that requests change nothing, and are not many."""
    assert 0 < len(requests) <= MOST_REQUESTS
    for seen in requests:
        assert seen.endpoint not in {"token", "other"}
        assert seen.method == ("POST" if seen.endpoint == "actors" else "GET")
        assert bool(seen.body) == (seen.endpoint == "actors")


def most_in(requests: list[SeenRequest], seconds: float) -> int:
    """Return the most requests that arrived in a window of time."""
    times = sorted(seen.at for seen in requests)
    return max(sum(at <= later < at + seconds for later in times) for at in times)


def assert_nothing_private(text: str, hubspot: FakeHubSpot, *more: str) -> None:
    """Assert that no value of the account, no cursor and no secret is in a text."""
    account = hubspot.account
    rows: list[t.Any] = [*account.threads(), *account.messages()]
    rows += account.directory.inbox_rows() + account.directory.channel_account_rows()
    rows += account.directory.actor_rows()
    values = {value for row in rows for value in texts_in(row)}
    cursors = {seen.param("after") or "" for seen in hubspot.requests}
    # Not enumerations, and nothing so short that it may be a part of anything.
    public = re.compile("[A-Z_]+|.{,5}")
    private = {value for value in values | cursors if not public.fullmatch(value)}
    assert len(private) > 500
    assert found_in(text, [*private, hubspot.token, *more]) == []
    assert "canary" not in text.lower()


def found_in(text: str, secrets: list[str]) -> list[str]:
    """Return which of many secrets are in a long text."""
    size = 6
    pieces = {text[at : at + size] for at in range(len(text) - size + 1)}
    # Nearly all of them begin with something that is not in the text.
    likely = [s for s in secrets if len(s) < size or s[:size] in pieces]
    return [secret for secret in likely if secret in text]


def texts_in(value: t.Any) -> list[str]:
    """Return every text in a JSON value, the names of fields excepted."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in texts_in(each)]
    return [value] if isinstance(value, str) else []
