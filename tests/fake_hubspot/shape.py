"""What the data of an account look like.

The switches of the data, beside those of the answering behaviour in ``contract``. Each
one is off, or at an ordinary value, by default; ``Shape.awkward()`` turns all of them
on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from .moments import render, render_mixed, render_short

Timestamps = Literal["fraction", "no_zero_fraction", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The traits of seeded threads and lists; a share is a number from 0 to 1."""

    closed: Annotated[
        float,
        "share of threads that are CLOSED and have closedAt",
    ] = 0.6
    unassigned: Annotated[
        float,
        "share of threads without assignedTo",
    ] = 0.2
    visitor_assignees: Annotated[
        float,
        "share of threads that are assigned to a visitor of their own",
    ] = 0.0
    visitors: Annotated[
        float,
        "share of threads whose contact is a visitor id that the CRM does not know",
    ] = 0.1
    tickets: Annotated[
        float,
        "share of threads with a ticket",
    ] = 0.3
    spam: Annotated[
        float,
        "share of threads marked as spam",
    ] = 0.03
    archived: Annotated[
        float,
        "share of threads archived at some time in the last 30 days",
    ] = 0.0
    silent: Annotated[
        float,
        "share of threads without a message, so without latestMessageTimestamp",
    ] = 0.0
    tied: Annotated[
        float,
        "share of bursts of threads whose last messages share one millisecond",
    ] = 0.0
    tie_size: Annotated[
        int,
        "threads in a burst; more than the largest page unless told otherwise",
    ] = 700
    newer: Annotated[
        float,
        "share of threads whose last message is newer than their place in timestamp "
        "order, as where HubSpot's index lags behind the row",
    ] = 0.0
    newer_seconds: Annotated[
        float,
        "how much newer at most, in seconds; as often seconds as days, and never in "
        "the future",
    ] = 120 * 86_400.0
    timestamps: Annotated[
        Timestamps,
        "form of date-times: always milliseconds, no fraction where it is zero, or "
        "mixed precision and offsets",
    ] = "fraction"
    whole_seconds: Annotated[
        float,
        "share of threads whose last message falls on a whole second",
    ] = 0.0
    new_status: Annotated[
        float,
        "share of threads with a status that HubSpot has not invented yet",
    ] = 0.0
    new_field: Annotated[
        float,
        "share of threads with a field that no schema knows, channelMood",
    ] = 0.0
    unicode: Annotated[
        bool,
        "texts that are not ASCII in the new status, the new field, assignedTo and "
        "names",
    ] = False
    items: Annotated[
        float,
        "average number of rows in the history of a thread, which its row may exceed",
    ] = 4.0
    long_histories: Annotated[
        float,
        "share of threads whose history has 50 to 800 rows instead",
    ] = 0.001
    truncated: Annotated[
        float,
        "share of messages that are truncated, so only the original content is full",
    ] = 0.17
    mail_dates_behind: Annotated[
        bool,
        "createdAt of a mail received is in whole seconds and some seconds before its "
        "arrival, which is updatedAt and the thread's latestMessageTimestamp; "
        "otherwise it is that moment",
    ] = False
    comments_count: Annotated[
        bool,
        "comments move latestMessageTimestamp; unknown, and probably they do not",
    ] = False
    shared_message_ids: Annotated[
        bool,
        "the first rows of some threads have the same id; it is unknown whether "
        "ids are unique across threads",
    ] = False
    new_message_type: Annotated[
        float,
        "share of histories with a row of a type that HubSpot has not invented yet",
    ] = 0.0
    inboxes: Annotated[
        int,
        "number of inboxes, the first with the most threads",
    ] = 4
    lost_accounts: Annotated[
        float,
        "share of the channel accounts that threads point to and no list has",
    ] = 0.2

    @classmethod
    def awkward(cls, **changes: Any) -> Shape:
        """Every awkward trait at once; `changes` are applied on top."""
        traits: dict[str, Any] = {
            "archived": 0.03,
            "silent": 0.02,
            "tied": 0.2,
            "newer": 0.03,
            "timestamps": "mixed",
            "whole_seconds": 0.15,
            "new_status": 0.02,
            "new_field": 0.1,
            "unicode": True,
            "long_histories": 0.005,
            "mail_dates_behind": True,
            "comments_count": True,
            "shared_message_ids": True,
            "new_message_type": 0.05,
        }
        return cls(**traits | changes)

    def text(self, us: int, choice: int) -> str:
        """Write a moment in this account's form; `choice` picks one where mixed."""
        if self.timestamps == "fraction":
            return render(us)
        if self.timestamps == "no_zero_fraction":
            return render_short(us)
        return render_mixed(us, choice)
