"""The streams of the tap. There is one."""

from __future__ import annotations

import typing as t
from functools import cached_property

from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.bookmark import Bookmark
from tap_hubspot_threads.client import HubSpotStream
from tap_hubspot_threads.pagination import TIMESTAMP, Listing, ThreadsPaginator
from tap_hubspot_threads.rows import RowReader
from tap_hubspot_threads.timestamps import EPOCH

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_hubspot_threads.sdk import SeamedTap


class ThreadsStream(HubSpotStream):
    """Conversation threads, as HubSpot's "list threads" endpoint returns them.

    Fields and their meaning are from HubSpot's reference of the dated API version
    2026-09-beta; 2026-09 and v3 have the same.
    """

    name = "threads"
    primary_keys = ("id",)
    replication_key = TIMESTAMP
    is_sorted = True
    check_sorted = False
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """Rows come out of `RowReader` with the schema's fields and types already."""

    schema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property(
            "id",
            th.StringType(nullable=False),
            required=True,
            description="Id of the thread, a string of digits.",
        ),
        th.Property(
            "createdAt",
            th.DateTimeType,
            description="When the thread was created.",
        ),
        th.Property(
            "closedAt",
            th.DateTimeType,
            description="When the thread was closed; null while it is open.",
        ),
        th.Property(
            "status",
            th.StringType,
            description="OPEN or CLOSED; a status that HubSpot adds passes through.",
        ),
        th.Property(
            "latestMessageTimestamp",
            th.DateTimeType,
            description="When the latest message was sent or received; null for a "
            "thread without one. Closing, assigning, archiving and the like do not "
            "move it.",
        ),
        th.Property(
            "latestMessageSentTimestamp",
            th.DateTimeType,
            description="When the latest message was sent from HubSpot.",
        ),
        th.Property(
            "latestMessageReceivedTimestamp",
            th.DateTimeType,
            description="When the latest message was received from the contact.",
        ),
        th.Property(
            "assignedTo",
            th.StringType,
            description="Actor the thread is assigned to, such as A-2620022: A agent, "
            "B bot, E e-mail, I integration, L AI agent, S system, V visitor.",
        ),
        th.Property(
            "associatedContactId",
            th.StringType,
            description="Id of the contact, or a visitor id that the CRM does not "
            "know.",
        ),
        th.Property(
            "inboxId",
            th.StringType,
            description="Id of the conversations inbox the thread is in.",
        ),
        th.Property(
            "originalChannelId",
            th.StringType,
            description="Channel the thread began on: 1000 live chat, 1001 Facebook "
            "Messenger, 1002 e-mail, 1003 forms, 1007 WhatsApp; custom channels "
            "have others.",
        ),
        th.Property(
            "originalChannelAccountId",
            th.StringType,
            description="Account of that channel, such as one e-mail address.",
        ),
        th.Property(
            "spam",
            th.BooleanType,
            description="Whether the thread is marked as spam.",
        ),
        th.Property(
            "archived",
            th.BooleanType,
            description="Whether the thread is in the trash, from where HubSpot "
            "deletes it after 30 days.",
        ),
        th.Property(
            "threadAssociations",
            th.ObjectType(
                th.Property(
                    "associatedTicketId",
                    th.StringType,
                    description="Id of the ticket the thread is linked to.",
                ),
                additional_properties=False,
            ),
            description="CRM objects the thread is linked to.",
        ),
    ).to_dict()

    def __init__(self, tap: SeamedTap) -> None:
        """Note the moment the run began: no bookmark is set past it."""
        super().__init__(tap, path=_path(tap.config["api_version"]))
        self._run_began = timestamps.from_milliseconds(tap.initialized_at)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        problems = []
        if self.replication_key not in {None, TIMESTAMP}:
            problems.append(f"The replication key of `{self.name}` is {TIMESTAMP}")
        if self.replication_method not in {
            REPLICATION_INCREMENTAL,
            REPLICATION_FULL_TABLE,
        }:
            problems.append(
                f"The replication method of `{self.name}` is "
                f"{REPLICATION_INCREMENTAL} or {REPLICATION_FULL_TABLE}"
            )
        if problems:
            msg = "The catalog asks for what this tap cannot do"
            raise ConfigValidationError(msg, errors=problems)

    @override
    def get_new_paginator(self) -> ThreadsPaginator:
        return self._paginator(since=None)

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        if self.replication_method == REPLICATION_FULL_TABLE:
            yield from self._everything()
        else:
            yield from self._changes(context)

    def _changes(self, context: Context | None) -> Iterator[Record]:
        """Yield the threads with a message since the bookmark, less the overlap.

        They come in the order of their latest message, so that the bookmark can
        follow them row by row: the SDK has written a record when the generator goes
        on behind its `yield`.
        """
        bookmark = Bookmark(
            self.get_context_state(context),
            key=TIMESTAMP,
            not_after=self._run_began,
            logger=self.logger,
        )
        since = self._start_date
        if bookmark.value:
            overlap = self.config["lookback_seconds"] * 1000
            since = max(since, timestamps.shift(bookmark.value, milliseconds=-overlap))

        reader = self._row_reader()
        for token, page in self.pages(self._paginator(since=since)):
            if token.after is None:
                bookmark.begin_listing()
            for row in page.rows:
                record = reader.read(row)
                timestamp = record[TIMESTAMP]
                if self._is_wanted(row, timestamp):
                    yield record
                if bookmark.saw(timestamp):
                    self.logger.warning(
                        "HubSpot lists threads out of the order of their latest "
                        "message; they are written, and the bookmark stays behind "
                        "as far as needed"
                    )
            self.write_state()
        bookmark.finish()
        reader.report()

    def _everything(self) -> Iterator[Record]:
        """Yield all threads in the order of their id, without a bookmark."""
        reader = self._row_reader()
        for _, page in self.pages(self._paginator(since=None)):
            for row in page.rows:
                record = reader.read(row)
                if self._is_wanted(row, record[TIMESTAMP]):
                    yield record
        reader.report()

    def _paginator(self, *, since: str | None) -> ThreadsPaginator:
        filters = []
        if self._is_selected(("properties", "threadAssociations")):
            filters.append(("association", "TICKET"))
        return ThreadsPaginator(Listing(since, tuple(filters)), self.logger)

    def _row_reader(self) -> RowReader:
        return RowReader(
            self.schema,
            key="id",
            is_selected=self._is_selected,
            logger=self.logger,
        )

    def _is_selected(self, breadcrumb: tuple[str, ...]) -> bool:
        """Say whether a field is in the catalog's schema and selected there.

        The keys always are: without them there is neither a row nor a bookmark.
        """
        if breadcrumb[-1] in {"id", TIMESTAMP}:
            return True
        schema: dict[str, t.Any] = self.effective_schema
        for part in breadcrumb:
            if part not in schema:
                return False
            schema = schema[part]
        return self.mask[breadcrumb]

    def _is_wanted(self, row: dict[str, t.Any], timestamp: str | None) -> bool:
        """Say whether a thread is not from before the start date."""
        if timestamp is None:
            try:
                timestamp = timestamps.normalize(row["createdAt"])
            except (KeyError, TypeError, ValueError):
                return True
        return timestamp >= self._start_date

    @cached_property
    def _start_date(self) -> str:
        value = self.config.get("start_date")
        return max(EPOCH, timestamps.normalize(value)) if value else EPOCH


def _path(version: str) -> str:
    # v3 has another word order than the dated versions.
    if version == "v3":
        return "/conversations/v3/conversations/threads"
    return f"/conversations/conversations/{version}/threads"
