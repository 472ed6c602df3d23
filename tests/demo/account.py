"""The fake account of the demo, which moves on by a day with each run.

It is generated from a seed, so the report can generate it again and compare.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
from pathlib import Path

from tests.fake_hubspot import Account, Directory, Shape

SIZE = 5_000
SEED = 2026
FIRST_DAY = "2026-01-31T18:00:00Z"
YEARS = 1.5
# No archived threads: after a day, some of them would be purged, and without
# ACTIVATE_VERSION the table would keep them.
SHAPE = Shape(
    archived=0.0, silent=0.0, timestamps="mixed", whole_seconds=0.15, unicode=True
)
MESSAGES_A_DAY = 40
NEW_THREADS_A_DAY = 8

INBOXES = ("Billing", "Support EMEA", "Sales", "Support Americas")
# One fewer than there are agents: the last one has no name.
AGENTS = (
    *("Amelia Brown", "Ben Carter", "Chloe Dubois", "Daniel Evans", "Elena Fischer"),
    *("Farid Haddad", "Grace Kim", "Hugo Lindberg", "Isabel Moreno", "Jack Nolan"),
    *("Keiko Ono", "Liam Price", "Maria Rossi", "Noah Schmidt", "Olivia Taylor"),
    *("Priya Shah", "Quentin Roy", "Rosa Silva", "Samir Khan", "Tara Walsh"),
    *("Umar Aziz", "Vera Novak", "William Young", "Xenia Petrou", "Yusuf Demir"),
)
OTHERS = {
    "B-310422": "Welcome bot",
    "I-1160452": "Order system",
    "L-58021": "Support assistant",
}
CHANNELS = {"917161": "SMS gateway", "2451873": "Shop messenger"}

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Run:
    """What one run of the demo did. It is stored next to the DuckDB file.

    Attributes:
        day: By how many days the account had moved on.
        requests: How many requests the fake HubSpot answered.
        written: How many threads the tap wrote.
        messages: How many messages it wrote.
    """

    day: int
    requests: int = 0
    written: int = 0
    messages: int = 0

    @classmethod
    def last(cls) -> Run | None:
        """Return the last run, or None if there is none."""
        try:
            return cls(**json.loads(cls._file().read_text()))
        except (OSError, TypeError, ValueError):
            return None

    def save(self) -> None:
        """Store this as the last run."""
        self._file().write_text(json.dumps(dataclasses.asdict(self)) + "\n")

    @staticmethod
    def _file() -> Path:
        return ROOT / "demo.json"


def account_on(day: int) -> Account:
    """Return the account as it is after some days."""
    account = Account(SIZE, SEED, now=FIRST_DAY, years=YEARS, shape=SHAPE)
    _give_names(account.directory)
    for number in range(day):
        _live_a_day(account, random.Random(f"{SEED} {number}"))
    return account


def _give_names(directory: Directory) -> None:
    """Give a plain name to everything except the last agent, who has none."""
    inboxes = dict(
        zip((row["id"] for row in directory.inbox_rows()), INBOXES, strict=True)
    )
    for inbox, name in inboxes.items():
        directory.rename_inbox(inbox, name)
    for channel, name in CHANNELS.items():
        directory.add_channel(channel, name)
    for row in directory.channel_account_rows():
        directory.rename_channel_account(
            row["id"], f"{inboxes[row['inboxId']]} {row['id']}"
        )
    agents = [row["id"] for row in directory.actor_rows() if row["type"] == "AGENT"]
    names = dict(zip(agents, (*AGENTS, None), strict=True)) | OTHERS
    for actor, name in names.items():
        directory.rename_actor(actor, name)


def _live_a_day(account: Account, chance: random.Random) -> None:
    """Simulate a day of changes that all come with a message, so no sweep is needed."""
    evening = account.clock.now + dt.timedelta(days=1)
    old = chance.sample(account.live_ids(), MESSAGES_A_DAY)
    events = [*old, *[None] * NEW_THREADS_A_DAY]
    chance.shuffle(events)
    for thread in events:
        account.clock.advance(seconds=chance.randrange(60, 1200))
        if thread is None:
            like = account.thread(chance.choice(old))
            account.create(inboxId=like["inboxId"])
            continue
        if account.thread(thread)["status"] == "CLOSED":
            account.reopen(thread)
        account.message(thread, sent=chance.random() < 0.5)
        if chance.random() < 0.3:
            account.close(thread)
    account.clock.set(evening)
