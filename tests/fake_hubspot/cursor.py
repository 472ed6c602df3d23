"""Cursors: opaque to a client, and refused when they come back changed."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import NamedTuple
from urllib.parse import quote

from .errors import bad_request


class Cursor(NamedTuple):
    """A place in a listing."""

    kind: str
    signature: int
    """The query that it belongs to."""
    page: int
    """Pages of the listing before this one."""
    position: int = -1
    """The place of the last row, or the number of rows before; -1 at the beginning."""

    def write(self, *, encoded: bool) -> str:
        """Give the cursor as it stands in an answer.

        It always ends in ``=``, so that it matters whether it is encoded.
        """
        text = f"{self.kind},{self.signature:x},{self.page},{self.position:x},"
        text += f"{zlib.crc32(text.encode()):08x}"
        text += "\n" * (len(text) % 3 == 0)
        cursor = base64.b64encode(text.encode()).decode()
        return quote(cursor, safe="") if encoded else cursor


def read_cursor(text: str) -> Cursor:
    """Read a cursor; one that was encoded twice, or never made, is refused."""
    message = "the paging cursor is not valid"
    try:
        content = base64.b64decode(text, validate=True).decode("ascii").rstrip("\n")
        body, _, check = content.rpartition(",")
        if f"{zlib.crc32(f'{body},'.encode()):08x}" != check:
            raise bad_request(message, parameter="after")
        kind, signature, page, position = body.split(",")
        return Cursor(kind, int(signature, 16), int(page), int(position, 16))
    except (ValueError, binascii.Error):
        raise bad_request(message, parameter="after") from None
