"""Record the states that this version of the tap writes: see README.md in this folder.

Needs nothing of this project's tests but the fake HubSpot, so that it also runs with
an earlier version on the path, and with the fake HubSpot of its time.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import typing as t
from pathlib import Path

from tap_hubspot_threads.tap import TapHubSpotThreads
from tests.fake_hubspot import Account, FakeHubSpot

if t.TYPE_CHECKING:
    Message: t.TypeAlias = dict[str, t.Any]

HERE = Path(__file__).resolve().parent
ROWS: list[dict[str, t.Any]] = json.loads((HERE / "account.json").read_text())
"""The threads of the account, before the first run."""

NOW = "2026-01-01T00:00:00.000Z"
BEGAN = 1_767_225_600_000
"""The same moment in milliseconds. The first run begins, by both clocks."""

TOKEN = "pat-eu1-7d1f-not-a-real-token"
SETTINGS: dict[str, t.Any] = {
    "access_token": TOKEN,
    "page_size": 7,
    "max_parallel_requests": 1,
    "include_messages": True,
}
CASES: dict[str, dict[str, t.Any]] = {
    "complete": {},
    "interrupted": {},
    "inboxes": {"inbox_ids": [481939, 519204]},
    "versions": {"emit_activate_version_messages": True},
}
"""What a first run was given besides. One is interrupted, and leaves an early STATE."""


def account() -> Account:
    """Return the account as it is before the first run."""
    return Account.of(ROWS, now=NOW)


def run(tap: type[TapHubSpotThreads], config: dict[str, t.Any]) -> list[Message]:
    """Run the tap, and return its messages."""
    raw = io.BytesIO()
    wrapper = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(wrapper):
        tap(config=config).sync_all()
    wrapper.flush()
    wrapper.detach()
    return [json.loads(line) for line in raw.getvalue().decode().split("\n") if line]


def first_run(case: str) -> list[Message]:
    """Return the messages of a first run, up to the STATE that it leaves."""
    tap = type("Clocked", (TapHubSpotThreads,), {"initialized_at": BEGAN})
    tap.PAUSE = 0  # type: ignore[attr-defined]
    with FakeHubSpot(account(), token=TOKEN) as hubspot:
        config = SETTINGS | CASES[case] | {"api_url": hubspot.url}
        messages = run(tap, config)
    states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
    if case != "interrupted":
        return messages[: states[-1] + 1]
    of_messages = [
        n
        for n in states
        if "messages" in messages[n]["value"]["bookmarks"]
        and "replication_key_value" in messages[n]["value"]["bookmarks"]["messages"]
    ]
    # The last stream that is incremental is interrupted, early.
    return messages[: (of_messages or states)[3 if not of_messages else 1] + 1]


def summary(messages: list[Message], number: int, case: str) -> dict[str, t.Any]:
    """Return what is kept of a first run."""
    records = [message for message in messages if message["type"] == "RECORD"]
    written: dict[str, list[str]] = {}
    for message in records:
        record = message["record"]
        # The histories of `messages` are written as a whole.
        key = record.get("conversationsThreadId") or record["id"]
        ids = written.setdefault(message["stream"], [])
        if key not in ids:
            ids.append(key)
    versions = {m["version"] for m in records if "version" in m}
    return {
        "format": number,
        "case": case,
        "settings": CASES[case],
        "streams": sorted(
            TapHubSpotThreads(config=SETTINGS | CASES[case]).streams,
        ),
        "versions": sorted(versions),
        "written": written,
        "state": messages[-1]["value"],
    }


def main(number: int, folder: Path) -> None:
    """Write a file for each case."""
    for case in CASES if number > 1 else ("complete", "interrupted"):
        content = summary(first_run(case), number, case)
        path = folder / f"{number}-{case}.json"
        lines = [f'  "{name}": {json.dumps(content[name])}' for name in content]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else HERE)
