"""Sends an answer in the way of a fault."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from .responses import Response, StreamResponse

if TYPE_CHECKING:
    from .faults import Fault
    from .traffic import Answer

_TO_BE_READ = 0.02
"""Seconds for the client to read what was sent: a reset would take it away again."""


async def deliver(
    request: web.BaseRequest, answer: Answer, fault: Fault
) -> web.StreamResponse:
    """Send an answer in the way of a fault."""
    transport = request.transport
    if transport is None:
        return web.Response()
    if fault.sent < 0:
        _end(transport, fault)
        return web.Response()
    if fault.breaks == "none" and fault.pieces == 1:
        return Response(status=answer.status, body=answer.body, headers=answer.headers)
    response = StreamResponse(status=answer.status, headers=answer.headers)
    if fault.breaks == "chunked":
        response.enable_chunked_encoding()
    else:
        response.content_length = len(answer.body)
    await response.prepare(request)
    body = answer.body[: int(len(answer.body) * fault.sent)]
    step = max(1, -(-len(body) // fault.pieces))
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await asyncio.sleep(fault.pause)
    if fault.breaks != "none":
        await asyncio.sleep(_TO_BE_READ)
        _end(transport, fault)
    return response


def _end(transport: asyncio.Transport, fault: Fault) -> None:
    if fault.breaks == "reset":
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
