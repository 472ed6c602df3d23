"""The streams of the tap. There is one."""

from __future__ import annotations

import datetime as dt
import typing as t
from functools import cached_property

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_hubspot_threads import sweep, timestamps
from tap_hubspot_threads.bookmark import Bookmark
from tap_hubspot_threads.client import HubSpotStream
from tap_hubspot_threads.pagination import TIMESTAMP, Listing, ThreadsPaginator
from tap_hubspot_threads.progress import Progress
from tap_hubspot_threads.rows import RowReader
from tap_hubspot_threads.schema import THREAD
from tap_hubspot_threads.sweep import IdSet
from tap_hubspot_threads.timestamps import EPOCH

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_hubspot_threads.bookmark import State
    from tap_hubspot_threads.sdk import SeamedTap


class ThreadsStream(HubSpotStream):
    """Conversation threads, as HubSpot's "list threads" endpoint returns them.

    A run reads the threads with a new message (`_changes`). Nothing but a message
    moves `latestMessageTimestamp`, so when a sweep is due it then reads all others,
    too (`_sweep`).
    """

    name = "threads"
    primary_keys: t.Sequence[str] = ("id",)
    replication_key: str | None = TIMESTAMP
    schema: t.ClassVar[dict[str, t.Any]] = THREAD
    KEYS: t.ClassVar[frozenset[str]] = frozenset({"id", TIMESTAMP})
    """Fields that are always read and written: without them no row and no bookmark."""

    is_sorted = True
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """Rows come out of `RowReader` with the schema's fields and types already."""

    def __init__(self, tap: SeamedTap) -> None:
        """Note the moment the run began: no bookmark is set past it."""
        super().__init__(tap, path=_path(tap.config["api_version"]))
        self._run_began = timestamps.from_milliseconds(tap.initialized_at)
        self._swept = 0

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

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        # The SDK sends ACTIVATE_VERSION before the first row of a full table, at
        # which a target deletes what has yet to come, and leaves it deleted if the
        # run fails. Here it ends a sweep.
        return False

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        # HubSpot takes one inbox a request.
        inboxes = dict.fromkeys(self.config.get("inbox_ids") or ())
        return [{"inboxId": str(inbox)} for inbox in inboxes] or None

    @override
    def get_new_paginator(self) -> ThreadsPaginator:
        return ThreadsPaginator(Listing(), self.logger)

    @override
    def get_pages(self, context: Context | None) -> Iterator[list[Record]]:
        self.set_version(self._version)
        written = IdSet() if self._sweeps else None
        if self._is_full_table:
            yield from self._by_id(context, IdSet())
        else:
            bookmark = Bookmark(
                self.get_context_state(context),
                key=TIMESTAMP,
                not_after=self._run_began,
                logger=self.logger,
            )
            since = self._since(bookmark)
            yield from self._changes(context, bookmark, since, written)
            if written is None:
                pass
            elif self.config["sweep_order"] == "timestamp":
                yield from self._by_timestamp(context, bookmark, since, written)
            else:
                yield from self._by_id(context, written)
        self._swept += self._sweeps
        self._reader.report()

    @override
    def finalize_state_progress_markers(self, state: State | None = None) -> None:
        # The SDK calls it when all partitions have been read and written. Only now
        # is a sweep complete; noting it before ACTIVATE_VERSION would lose that
        # message if the run were killed in between.
        if self._sweeps and self._swept == len(self._states):
            if self._emits_versions:
                self.write_activate_version()
            if not self._is_full_table:
                for swept in self._states:
                    swept[sweep.BEGAN] = self._run_began
        super().finalize_state_progress_markers(state)

    def _since(self, bookmark: Bookmark) -> str:
        """Return where the changes begin: at the bookmark less the overlap."""
        if bookmark.value is None:
            return self._start_date
        overlap = self.config["lookback_seconds"] * 1000
        return max(
            self._start_date,
            timestamps.shift(bookmark.value, milliseconds=-overlap),
        )

    def _changes(
        self,
        context: Context | None,
        bookmark: Bookmark,
        since: str,
        written: IdSet | None,
        written_until: str = "",
    ) -> Iterator[list[Record]]:
        """Yield the threads whose latest message is not older than `since`.

        They come in the order of that message, so that the bookmark can follow them
        page by page.

        Args:
            context: The partition, if there are any.
            bookmark: Is moved.
            since: Where to begin.
            written: Takes the ids, if a sweep follows.
            written_until: Threads in `written` whose latest message is not newer
                than this are left out.
        """
        for begins, records in self._pages_of_records(
            context, since=since, until=self._run_began
        ):
            if begins:
                bookmark.begin_listing()
                # What is listed once more need not be written once more.
                written_until = max(written_until, bookmark.reached or "")
            if written is None:
                yield records
            else:
                yield [
                    record
                    for record in records
                    if written.add(record["id"])
                    or (record[TIMESTAMP] or "") > written_until
                ]
            if bookmark.saw([record[TIMESTAMP] for record in records]):
                self.logger.warning(
                    "HubSpot lists threads out of the order of their latest message; "
                    "they are written, and the bookmark stays behind as far as needed"
                )
            self.write_state()
        bookmark.finish()

    def _by_id(self, context: Context | None, written: IdSet) -> Iterator[list[Record]]:
        """Sweep in the order of the id: all threads but those `written` already.

        The archived ones are listed after the live ones, so that a thread which is
        archived meanwhile is in one of the two. Where the target deletes what is in
        neither, they are listed before as well, for the thread that is restored
        meanwhile.
        """
        archived = IdSet()
        if self._emits_versions:
            yield from self._archived(context, archived)
        for _, records in self._pages_of_records(context):
            yield [record for record in records if record["id"] not in written]
        yield from self._archived(context, archived)

    def _by_timestamp(
        self, context: Context | None, bookmark: Bookmark, since: str, written: IdSet
    ) -> Iterator[list[Record]]:
        """Sweep in the order of the latest message: what is older than the changes.

        On a first run that is nothing, so nothing is listed twice. The changes come
        first on other runs, too: one that is interrupted here goes on behind them
        the next time, where a listing from the beginning would never get to them. A
        thread that gets a message meanwhile moves behind the end that the changes
        had, so what is behind it is read again.
        """
        archived = IdSet()
        if self._emits_versions:
            yield from self._archived(context, archived)
        if since > self._start_date:
            for _, records in self._pages_of_records(
                context, since=self._start_date, before=since, until=self._run_began
            ):
                older = [r for r in records if (r[TIMESTAMP] or "") < since]
                if records and not older:
                    break
                yield [r for r in older if written.add(r["id"])]
            end = bookmark.reached or since
            yield from self._changes(context, bookmark, end, written, end)
        yield from self._archived(context, archived)

    def _archived(self, context: Context | None, seen: IdSet) -> Iterator[list[Record]]:
        """Yield the archived threads that have not been `seen` in this sweep."""
        if not self.config["include_archived"]:
            return
        for _, records in self._pages_of_records(context, archived=True):
            yield [record for record in records if seen.add(record["id"])]

    def _pages_of_records(
        self,
        context: Context | None,
        *,
        archived: bool = False,
        since: str | None = None,
        before: str | None = None,
        until: str | None = None,
    ) -> Iterator[tuple[bool, list[Record]]]:
        """Yield the pages of a listing, read, and without what is not wanted.

        Each comes with whether the listing begins, or begins again, with it. For the
        moments see `pages`.
        """
        listing = Listing(since, self._filters(context, archived=archived))
        read, is_wanted = self._reader.read, self._is_wanted
        for rows, begins in self.pages(listing, before=before, until=until):
            self.extracted_at = dt.datetime.now(dt.UTC)
            records = []
            for row in rows:
                record = read(row)
                if is_wanted(row, record):
                    records.append(record)
            yield begins, records
            self._progress.page(
                self.written,
                place=_place(listing, records),
                share=self.pace.share_in_use,
            )
            # Not where the rows are written: a signal that ends the run while the
            # target does not read would find the bookmark behind them.
            self.writer.flush()

    def _filters(
        self, context: Context | None, *, archived: bool
    ) -> tuple[tuple[str, str], ...]:
        filters = {
            "archived": "true" if archived else None,
            "inboxId": context["inboxId"] if context else None,
            "associatedContactId": self.config.get("associated_contact_id"),
            "associatedTicketId": self.config.get("associated_ticket_id"),
            "threadStatus": self.config.get("thread_status"),
            "association": "TICKET"
            if self._is_selected(("properties", "threadAssociations"))
            else None,
        }
        return tuple((k, str(v)) for k, v in filters.items() if v is not None)

    def _is_wanted(self, row: dict[str, t.Any], record: Record) -> bool:
        """Say whether a row matches the start date and the status asked for.

        HubSpot has no start date in the order of ids, and has been reported to
        ignore `threadStatus` on its own.
        """
        status = self._status
        if status is not None and row.get("status") != status:
            return False
        moment = record[TIMESTAMP]
        if moment is None and self._start_date > EPOCH:
            try:
                moment = timestamps.normalize(row["createdAt"])
            except (KeyError, TypeError, ValueError):
                return True
        return moment is None or moment >= self._start_date

    def _is_selected(self, breadcrumb: tuple[str, ...]) -> bool:
        """Say whether a field is in the catalog's schema and selected there."""
        if breadcrumb[-1] in self.KEYS:
            return True
        schema: dict[str, t.Any] = self.effective_schema
        for part in breadcrumb:
            if part not in schema:
                return False
            schema = schema[part]
        return self.mask[breadcrumb]

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(
            self.schema,
            key="id",
            is_selected=self._is_selected,
            flattened=bool(self.config.get("flattening_enabled")),
            logger=self.logger,
        )

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self.logger)

    @cached_property
    def _start_date(self) -> str:
        value = self.config.get("start_date")
        return max(EPOCH, timestamps.normalize(value)) if value else EPOCH

    @cached_property
    def _status(self) -> str | None:
        return self.config.get("thread_status")

    @property
    def _is_full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    @cached_property
    def _states(self) -> list[State]:
        """The states of the stream's partitions, or of the stream without any."""
        if self.partitions is None:
            return [self.stream_state]
        return [self.get_context_state(context) for context in self.partitions]

    @cached_property
    def _sweeps(self) -> bool:
        return self._is_full_table or sweep.is_due(
            self._states,
            interval_hours=self.config["sweep_interval_hours"],
            now=self._run_began,
        )

    @property
    def _emits_versions(self) -> bool:
        return self._sweeps and self.config["emit_activate_version_messages"]

    @property
    def _version(self) -> int | None:
        """The version of the rows: the second in which their sweep began.

        Rows that come between two sweeps carry the version of the first one, since
        a target never deletes a row without a version.
        """
        if not self.config["emit_activate_version_messages"]:
            return None
        if self._sweeps:
            return timestamps.seconds(self._run_began)
        return timestamps.seconds(max(sweep.began(state) for state in self._states))


def _path(version: str) -> str:
    # v3 has another word order than the dated versions.
    if version == "v3":
        return "/conversations/v3/conversations/threads"
    return f"/conversations/conversations/{version}/threads"


def _place(listing: Listing, records: list[Record]) -> str:
    """Say where in a listing a page is, as people read it."""
    order = TIMESTAMP if listing.since is not None else "id"
    name = "last message" if listing.since is not None else "thread"
    return f"{name} {records[-1][order]}" if records else "an empty page"
