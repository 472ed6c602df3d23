"""What all streams of HubSpot's Conversations API share."""

from __future__ import annotations

import typing as t
from functools import cached_property

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.paging import CursorPaginator, Page
from tap_hubspot_threads.progress import Progress
from tap_hubspot_threads.records import RecordReader
from tap_hubspot_threads.sdk import BaseStream

if t.TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_hubspot_threads.client import HubSpotClient
    from tap_hubspot_threads.tap import TapHubSpotThreads


class HubSpotStream(BaseStream):
    """A stream whose rows come from one endpoint, through the tap's client."""

    endpoint: t.ClassVar[str]
    """The last part of the path."""

    always_selected: t.ClassVar[frozenset[str]]
    """Fields that are read and written whatever the catalog says."""

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
    @override
    def requests_sent(self) -> int:
        return self.client.requests_sent

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

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        expected = self.replication_key
        super().apply_catalog(catalog)
        methods = {REPLICATION_INCREMENTAL, REPLICATION_FULL_TABLE}
        problems = []
        if self.replication_key not in {None, expected}:
            problems.append(f"The replication key of `{self.name}` must be {expected}")
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

    @cached_property
    def reader(self) -> RecordReader:
        """What makes records of the rows."""
        return RecordReader(
            self.schema,
            stream=self.name,
            key=self.primary_keys[0],
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
        # The SDK asks for this method, and nothing calls it: see `sync_pages`.
        raise NotImplementedError


def endpoint_path(version: str, endpoint: str) -> str:
    """Return the path of an endpoint of the Conversations API.

    ``v3`` has another word order than the dated versions.
    """
    if version == "v3":
        return f"/conversations/v3/conversations/{endpoint}"
    return f"/conversations/conversations/{version}/{endpoint}"
