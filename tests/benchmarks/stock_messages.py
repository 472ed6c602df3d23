"""The tap that the SDK's template produces for messages: a child stream of threads.

It reads the messages of one thread after the other, as every child stream does.
"""

from __future__ import annotations

import typing as t

from typing_extensions import override

from tap_hubspot_threads.schemas import MESSAGE
from tests.benchmarks.stock import StockTap, Threads

if t.TYPE_CHECKING:
    from singer_sdk import Stream
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams.rest import HTTPRequest, PageContext


class ParentThreads(Threads):
    """The stream `threads`, which gives its IDs to the child."""

    @override
    def get_child_context(self, record: t.Any, context: Context | None) -> t.Any:
        return {"threadId": record["id"]}


class Messages(Threads):
    """The stream `messages`."""

    name = "messages"
    path = f"{Threads.path}/{{threadId}}/messages"
    primary_keys: t.Sequence[str] = ("conversationsThreadId", "id")
    replication_key: str | None = None
    schema: t.ClassVar[dict[str, t.Any]] = MESSAGE
    parent_stream_type: type[Stream] | None = ParentThreads
    state_partitioning_keys: t.Sequence[str] | None = ()

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        request = super(Threads, self).get_http_request(page=page)
        request.params |= {"limit": 100, "sort": "createdAt"}
        if page.next_page_token:
            request.params["after"] = page.next_page_token
        return request

    @override
    def post_process(self, row: t.Any, context: Context | None = None) -> t.Any:
        return row


class StockMessages(StockTap):
    """The tap that contains both streams."""

    @override
    def discover_streams(self) -> list[Threads]:
        return [ParentThreads(self), Messages(self)]


if __name__ == "__main__":
    StockMessages.cli()
