"""Sets of switches that the fake is run with, so that every reading occurs."""

from __future__ import annotations

import random
import typing as t
from dataclasses import fields

from tests.contract.switches import SWITCHES
from tests.fake_hubspot import Account, Contract, Shape


class Profile(t.NamedTuple):
    """How a fake answers, and what its account looks like."""

    contract: Contract
    shape: Shape
    size: int = 700

    def account(self) -> Account:
        """Make the account. An hour ago, comments were written in some threads."""
        account = Account(self.size, shape=self.shape)
        for thread in account.live_ids()[12:16]:
            account.comment(thread)
        account.clock.advance(hours=1)
        return account


_DATA: dict[str, t.Any] = {
    "archived": 0.05,
    "silent": 0.03,
    "items": 6.0,
    "long_histories": 0.15,
}
"""Enough of everything in a small account."""


def _shape(**more: t.Any) -> Shape:
    return Shape(**_DATA | more)


PROFILES: dict[str, Profile] = {
    "plain": Profile(Contract(), _shape()),
    "awkward": Profile(
        Contract.awkward(),
        Shape.awkward(**_DATA, tie_size=15, new_message_type=0.3),
        size=500,
    ),
    "offsets": Profile(
        Contract(
            cursor="offset",
            cursor_encoded=True,
            last_page="null",
            link="missing",
            swapped=0.1,
            date="missing",
            archived_means="also",
            messages_archived="optional",
            unknown_actors="errors_200",
            quota=190,
            original_of_archived=True,
        ),
        _shape(timestamps="no_zero_fraction", whole_seconds=0.15, new_status=0.1),
    ),
    "no headers": Profile(
        Contract(
            quota_headers=False,
            date="unreadable",
            last_page="empty",
            ids_as_text=True,
            silent_last=True,
            messages_archived="forbidden",
            unknown_thread="empty",
            signed_urls=True,
            default_limit=20,
            actors_max=50,
        ),
        _shape(comments_count=True, lost_accounts=0.0),
    ),
    "few types": Profile(
        Contract(
            events_listed=False,
            last_page="next_null",
            link="other_path",
            cursor_bound=False,
            sibling_strict=False,
            archived_by_timestamp=True,
            bare_associations=True,
            daily_limit=0,
            empty_every=2,
            versions=("2026-09-beta", "v3"),
        ),
        _shape(new_field=0.2, new_message_type=0.3),
    ),
    "late index": Profile(
        Contract(inclusive=False, last_page="next_empty", newer_last=3_600.0),
        _shape(newer=0.05, timestamps="mixed", whole_seconds=0.1),
    ),
}


def _all(reason: str, *switches: str) -> dict[str, str]:
    return dict.fromkeys(switches, reason)


UNREAD: dict[str, str] = {
    **_all(
        "read together with others, see `computed`",
        *("short_pages", "empty_every", "swapped", "newer_last", "newer"),
        *("default_limit", "bare_associations", "actors_max", "versions", "missing"),
        *("forbidden", "quota", "quota_window_seconds", "daily_limit", "timestamps"),
        *("lost_accounts", "new_field", "new_status", "new_message_type", "unicode"),
    ),
    **_all(
        "a wrong reading, which no profile may have",
        *("loop_at", "loop_times", "loop_length"),
        *("messages_limit_max", "sibling_limit_max"),
    ),
    **_all(
        "only a client that writes, or that waits, could tell",
        *("moves", "moves_by_id", "moves_most", "late_seconds", "late_share"),
        *("quota_window", "quota_per_second", "daily_used", "delay"),
    ),
    **_all(
        "makes no difference to the tap",
        *("seed", "empty_run", "gzip", "property_narrows", "date_skew_seconds"),
        *("sibling_limit_default", "messages_limit_default"),
    ),
    **_all(
        "what an account holds, not how HubSpot answers",
        *("closed", "unassigned", "visitor_assignees", "visitors", "tickets", "spam"),
        *("archived", "silent", "tied", "tie_size", "newer_seconds", "whole_seconds"),
        *("items", "long_histories", "truncated", "inboxes"),
    ),
}
"""Switches of the fake that no fact stands for alone, and why."""


def random_profile(seed: int) -> Profile:
    """Draw a value for each switch that is read, and data of any size."""
    chance = random.Random(seed)
    switches: dict[str, t.Any] = {}
    for switch, values in SWITCHES.values():
        switches.setdefault(switch, chance.choice(list(values)))
    contract = {
        f.name: switches[f.name] for f in fields(Contract) if f.name in switches
    }
    shape = {f.name: switches[f.name] for f in fields(Shape) if f.name in switches}
    contract |= {
        "seed": seed,
        "empty_every": chance.choice([0, 0, 2, 4]),
        "swapped": chance.choice([0.0, 0.1]),
        "newer_last": chance.choice([0.0, 0.0, 60.0]),
        "short_pages": chance.random() < 0.2,
        "moves": chance.choice([0, 0, 1]),
        "bare_associations": chance.random() < 0.2,
    }
    shape |= {
        "timestamps": chance.choice(["fraction", "no_zero_fraction", "mixed"]),
        "newer": chance.choice([0.0, 0.0, 0.03]),
        "tied": chance.choice([0.0, 0.3]),
        "tie_size": chance.choice([3, 700]),
        "new_status": chance.choice([0.0, 0.1]),
        "new_field": chance.choice([0.0, 0.1]),
        "new_message_type": chance.choice([0.0, 0.2]),
        "unicode": chance.random() < 0.3,
        "archived": chance.choice([0.0, 0.05]),
        "silent": chance.choice([0.0, 0.03]),
    }
    size = chance.choice([0, 3, 60, 300, 700, 1_500])
    return Profile(Contract(**contract), _shape(**shape), size)
