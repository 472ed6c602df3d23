"""The tap that the SDK's template produces: the same stream, with minimal overrides.

It contains only what is needed to read HubSpot's pages.
"""

from __future__ import annotations

import typing as t

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import JSONPathPaginator
from typing_extensions import override

from tap_hubspot_threads.schemas import THREAD

if t.TYPE_CHECKING:
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams.rest import HTTPRequest, PageContext


class Threads(RESTStream[str]):
    """The stream `threads`."""

    name = "threads"
    path = "/conversations/conversations/2026-09-beta/threads"
    primary_keys: t.Sequence[str] = ("id",)
    replication_key: str | None = "latestMessageTimestamp"
    is_sorted = True
    schema: t.ClassVar[dict[str, t.Any]] = THREAD
    records_jsonpath = "$.results[*]"

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token=self.config["access_token"])

    @override
    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.paging.next.after")

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        request = super().get_http_request(page=page)
        since = self.get_starting_replication_key_value(page.stream_context)
        request.params |= {
            "limit": 500,
            "association": "TICKET",
            "sort": "latestMessageTimestamp",
            "latestMessageTimestampAfter": since or "1970-01-01T00:00:00Z",
        }
        if page.next_page_token:
            request.params["after"] = page.next_page_token
        return request

    @override
    def post_process(self, row: t.Any, context: Context | None = None) -> t.Any:
        # Without this, a row ends the run with a KeyError.
        return row | {"latestMessageTimestamp": row.get("latestMessageTimestamp")}


class StockTap(Tap):
    """The tap that contains the stream."""

    name = "tap-stock"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property("access_token", th.StringType, required=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Threads]:
        return [Threads(self)]


if __name__ == "__main__":
    StockTap.cli()
