"""The control endpoints, which tell other processes what the fake holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry import Row
    from .server import FakeHubSpot

_ROWS = 1_000


async def control(
    request: web.BaseRequest, path: str, hubspot: FakeHubSpot
) -> web.StreamResponse:
    """Answer a request to a control endpoint.

    ``/_fake/threads`` gives every thread on a line, ``/_fake/messages`` every row of
    their histories, ``/_fake/siblings`` one object with every other row, and
    ``/_fake/stats`` the counts.
    """
    if path == "/_fake/threads":
        return await _lines(request, hubspot.account.threads())
    if path == "/_fake/messages":
        return await _lines(request, hubspot.account.messages())
    if path == "/_fake/siblings":
        directory = hubspot.account.directory
        return _json(
            {
                "inboxes": directory.inbox_rows(),
                "channels": directory.channel_rows(),
                "channel_accounts": directory.channel_account_rows(),
            }
        )
    if path == "/_fake/stats":
        return _json(hubspot.stats | {"by_endpoint": hubspot.requests_by_endpoint})
    return web.Response(status=404)


def _json(value: Any) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, content_type="application/json")


async def _lines(request: web.BaseRequest, rows: Iterator[Row]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await response.prepare(request)
    lines: list[Any] = []
    for row in rows:
        lines.append(row)
        if len(lines) == _ROWS:
            await response.write(msgspec.json.Encoder().encode_lines(lines))
            lines.clear()
    await response.write(msgspec.json.Encoder().encode_lines(lines))
    await response.write_eof()
    return response
