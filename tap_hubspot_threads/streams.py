"""What all streams of HubSpot's Conversations API share."""

from __future__ import annotations

import contextlib
import typing as t
from functools import cached_property, partial
from http import HTTPStatus

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.concurrency import WorkerPool
from tap_hubspot_threads.errors import RequestRefused
from tap_hubspot_threads.paging import CursorPaginator, Page
from tap_hubspot_threads.progress import Progress
from tap_hubspot_threads.records import RecordReader
from tap_hubspot_threads.sdk import BaseStream

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_hubspot_threads.client import HubSpotClient
    from tap_hubspot_threads.tap import TapHubSpotThreads


class HubSpotStream(BaseStream):
    """A stream whose rows come from one endpoint, through the tap's client."""

    endpoint: t.ClassVar[str]
    """The last part of the path."""

    always_selected: t.ClassVar[frozenset[str]] = frozenset({"id"})
    """Fields that are read and written whatever the catalog says."""

    primary_keys: t.Sequence[str] = ("id",)

    PAUSE = 15.0
    """Seconds before listings are repeated. HubSpot's index lags by seconds, and may
    show a row that moves nowhere for as long."""

    TEST_SECONDS = 5.0
    """How long `--test` may try each of its requests."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """`RecordReader` has given records the fields and types of the schema already."""

    def __init__(self, tap: TapHubSpotThreads) -> None:
        """Note when the run began, by this machine's clock."""
        path = endpoint_path(tap.config["api_version"], self.endpoint)
        super().__init__(tap, path=path)
        self._hubspot_tap = tap
        self.began = timestamps.from_milliseconds(tap.initialized_at)

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"]).rstrip("/")

    @property
    def client(self) -> HubSpotClient:
        """The client that all streams of the tap share."""
        return self._hubspot_tap.client

    @property
    def pool(self) -> WorkerPool:
        """The threads that all streams of the tap share."""
        return self._hubspot_tap.pool

    @property
    @override
    def requests_sent(self) -> int:
        return self.client.requests_sent[self.path.rpartition("/")[2]]

    @override
    def get_new_paginator(self) -> CursorPaginator:
        return CursorPaginator()

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        # The SDK emits ACTIVATE_VERSION before the first row of a full table. A target
        # would delete what has yet to come, and keep it deleted if the run fails.
        return False

    def fetch(self, params: dict[str, str]) -> Page:
        """Return the page for some parameters. Safe to call from any thread.

        Raises:
            HubSpotError: If it cannot be fetched.
        """
        return Page.of(self.client.get(self.path, params))

    @property
    def first_params(self) -> dict[str, str]:
        """The parameters of the first request."""
        raise NotImplementedError

    @override
    def dry_run(self, most: int) -> None:
        self.client.retry_budget = min(self.client.retry_budget, self.TEST_SECONDS)
        self.client.is_test = True
        with WorkerPool(1) as pool:
            page = pool.submit(partial(self.fetch, self.first_params)).result()
        records = [self.reader.read(row) for row in page.rows[:most]]
        self.write_page(records, page.fetched_at)
        self.write_state()
        self.logger.info("HubSpot accepts the credential and serves `%s`", self.name)

    @contextlib.contextmanager
    def refusal_postponed(self) -> Iterator[None]:
        """Let the run fail only at its end if HubSpot does not serve this stream.

        For example, if the endpoint or its scope is missing. A credential that is
        refused (401) is of no use to the other streams either.
        """
        try:
            yield
        except RequestRefused as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            self._hubspot_tap.refusals[self.name] = error
            self.logger.warning(
                "Cannot read `%s`; the run continues with the other streams", self.name
            )

    @property
    def is_refused(self) -> bool:
        """Whether HubSpot has refused to serve this stream."""
        return self.name in self._hubspot_tap.refusals

    def mention(self, actors: Iterable[object]) -> None:
        """Note the actors of rows that have been written."""
        if self._hubspot_tap.actors is not None:
            self._hubspot_tap.actors.add(actors)

    @property
    def actors_are_incomplete(self) -> bool:
        """Whether actors are asked for that were not when earlier rows were read."""
        actors = self._hubspot_tap.actors
        return actors is not None and not actors.has_all_kinds

    def note_actors(self) -> None:
        """Note that the actors of all rows have been written."""
        if self._hubspot_tap.actors is not None:
            self._hubspot_tap.actors.write_new()
            self._hubspot_tap.actors.note_kinds()

    @override
    def before_state(self) -> None:
        if self._hubspot_tap.actors is not None:
            self._hubspot_tap.actors.write_new()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        expected = self.replication_key
        super().apply_catalog(catalog)
        methods = {REPLICATION_FULL_TABLE}
        if expected is not None:
            methods.add(REPLICATION_INCREMENTAL)
        problems = []
        if self.replication_key not in {None, expected}:
            problems.append(
                f"The replication key of `{self.name}` must be {expected or 'none'}"
            )
        if self.replication_method not in methods:
            problems.append(
                f"The replication method of `{self.name}` must be "
                f"{' or '.join(sorted(methods, reverse=True))}"
            )
        if problems:
            msg = "The catalog asks for what this tap cannot do"
            raise ConfigValidationError(msg, errors=problems)

    @property
    def is_full_table(self) -> bool:
        """Whether the catalog asks for everything on each run."""
        return self.replication_method == REPLICATION_FULL_TABLE

    def is_selected(self, breadcrumb: tuple[str, ...]) -> bool:
        """Return whether a field is in the catalog's schema and selected there."""
        if breadcrumb[-1] in self.always_selected:
            return True
        schema: dict[str, t.Any] = self.effective_schema
        for part in breadcrumb:
            if part not in schema:
                return False
            schema = schema[part]
        return self.mask[breadcrumb]

    @property
    def emits_versions(self) -> bool:
        """Whether what HubSpot no longer has is to be deleted in the target."""
        return bool(self.config["emit_activate_version_messages"])

    @cached_property
    def reader(self) -> RecordReader:
        """What makes records of the rows."""
        return RecordReader(
            self.schema,
            stream=self.name,
            key="id",
            is_selected=self.is_selected,
            flattened=bool(self.config.get("flattening_enabled")),
            logger=self.logger,
        )

    @cached_property
    def progress(self) -> Progress:
        """What logs how far the stream is."""
        return Progress(self.logger, share_in_use=self.client.limiter.share_in_use)

    @override
    def get_records(self, context: Context | None) -> t.Iterable[Record]:
        # The SDK asks for this method, and nothing calls it: see `passes`.
        raise NotImplementedError


def endpoint_path(version: str, endpoint: str) -> str:
    """Return the path of an endpoint of the Conversations API.

    ``v3`` has another word order than the dated versions.
    """
    if version == "v3":
        return f"/conversations/v3/conversations/{endpoint}"
    return f"/conversations/conversations/{version}/{endpoint}"
