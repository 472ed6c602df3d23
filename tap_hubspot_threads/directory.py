"""The streams that give names to IDs: `inboxes`, `channels`, `channel_accounts`.

HubSpot has no date to list them from, and they are small, so each run reads all of
them.
"""

from __future__ import annotations

import time
import typing as t

from typing_extensions import override

from tap_hubspot_threads import schemas, state
from tap_hubspot_threads.paging import read_pages
from tap_hubspot_threads.streams import HubSpotStream

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

Params: t.TypeAlias = dict[str, str]

_LIVE: Params = {"limit": "100"}
_ARCHIVED: Params = _LIVE | {"archived": "true"}


class FullTableStream(HubSpotStream):
    """A stream that is read completely on each run."""

    listings: tuple[Params, ...] = (_LIVE,)
    """The parameters of the listings that together show every row. HubSpot's files
    disagree whether ``archived=true`` means only archived rows or these as well, so the
    same row may be in both."""

    @property
    @override
    def first_params(self) -> dict[str, str]:
        return self.listings[0]

    @override
    def dry_run(self, most: int) -> None:
        if most > 1:  # `--test` asks for one record, which `threads` has
            super().dry_run(most)

    @override
    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        yield "full table", self._read_all()
        self.reader.report()
        self.progress.end(requests=self.requests_sent)

    def _read_all(self) -> Iterator[int]:
        saved = self.get_context_state(None)
        version = None
        listings: tuple[Params | None, ...] = self.listings
        if self.emits_versions:
            version = state.next_version([saved], began=self.began)
            # A row can move while it is looked for, or be skipped as another one goes.
            listings = (*listings, None, *listings)
        self.set_version(version)
        self.progress.begin_pass("All rows")
        written: dict[str, Record] = {}
        is_complete = True
        with self.refusal_postponed():
            for params in listings:
                if params is None:
                    time.sleep(self.PAUSE)
                    continue
                count = total = 0
                for page in self.pool.prefetch(read_pages(self.fetch, params)):
                    records = [self.reader.read(row) for row in page.rows]
                    new = [r for r in records if written.get(r["id"]) != r]
                    written.update((record["id"], record) for record in new)
                    self.write_page(new, page.fetched_at)
                    self.progress.page(records, len(new), order="id")
                    count, total = count + len(records), max(total, page.total)
                    yield len(new)
                is_complete = is_complete and count >= total
            if version is not None:
                self._end_version(version, is_complete=is_complete and bool(written))
        self.write_state()

    def _end_version(self, version: int, *, is_complete: bool) -> None:
        if is_complete:
            self.write_activate_version()
        else:
            self.logger.warning(
                "HubSpot's list is shorter than it says itself, so no row is deleted; "
                "the next run tries again"
            )
        saved = self.get_context_state(None)
        state.note_sweep(saved, began=self.began, version=version)


class InboxesStream(FullTableStream):
    """Inboxes and help desks."""

    name = "inboxes"
    endpoint = "inboxes"
    schema: t.ClassVar[dict[str, t.Any]] = schemas.INBOX
    listings: tuple[Params, ...] = (_LIVE, _ARCHIVED)


class ChannelsStream(FullTableStream):
    """Kinds of channels, such as live chat or email."""

    name = "channels"
    endpoint = "channels"
    schema: t.ClassVar[dict[str, t.Any]] = schemas.CHANNEL


class ChannelAccountsStream(FullTableStream):
    """The account's own ends of channels, such as one email address."""

    name = "channel_accounts"
    endpoint = "channel-accounts"
    schema: t.ClassVar[dict[str, t.Any]] = schemas.CHANNEL_ACCOUNT
    listings: tuple[Params, ...] = (_LIVE, _ARCHIVED)
