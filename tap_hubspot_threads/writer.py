"""Singer messages on their way to stdout."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import typing as t

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter, enc_hook
from singer_sdk.singerlib import SingerMessageType
from typing_extensions import override

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from singer_sdk.singerlib.encoding.simple import Message


class PageWriter(MsgSpecWriter):
    """Writes what the SDK's writer would write, but a page of records at a time.

    Everything goes through one buffer that a page and its STATE fit into, so that only
    `flush` waits for the target. If a signal ends the run there, Python's buffer keeps
    what it has been given, and the last STATE lands behind whole records. The buffer
    that stdout has of its own is smaller, and missing with ``PYTHONUNBUFFERED``.
    """

    BUFFER = 1 << 20
    """Bytes. A page of 500 threads takes a third of it."""

    def __init__(self) -> None:
        """Open nothing yet: the SDK makes a writer for `--about`, too."""
        super().__init__()
        encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
        self._encode_lines = encoder.encode_lines
        self._stdout: t.BinaryIO | None = None
        self._out: t.BinaryIO | None = None

    @override
    def write_message(self, message: Message) -> None:
        self._write(self.format_message(message))
        if message.type != SingerMessageType.RECORD:
            self.flush()

    def write_records(
        self,
        stream: str,
        records: Iterable[dict[str, t.Any]],
        *,
        version: int | None,
        extracted_at: dt.datetime,
    ) -> None:
        """Write a RECORD message for each row; the next flush hands them on.

        Args:
            stream: Name of the stream.
            records: Its rows, a page at most.
            version: Version of the stream, None for none.
            extracted_at: When the rows came from HubSpot.
        """
        rest: dict[str, t.Any] = {"time_extracted": extracted_at}
        if version is not None:
            rest = {"version": version} | rest
        self._write(
            self._encode_lines(
                [
                    {"type": "RECORD", "stream": stream, "record": record, **rest}
                    for record in records
                ]
            )
        )

    def flush(self) -> None:
        """Hand on to the target what has been written."""
        if self._out is not None:
            with _abandoned_if_it_fails(self._out):
                self._out.flush()

    def _write(self, lines: bytes | bytearray) -> None:
        stdout = sys.stdout.buffer
        if self._out is None or stdout is not self._stdout:
            stdout.flush()
            self._stdout, self._out = stdout, _buffered(stdout, self.BUFFER)
        with _abandoned_if_it_fails(self._out):
            if len(lines) <= self.BUFFER:
                self._out.write(lines)
            else:
                for line in lines.splitlines(keepends=True):
                    self._out.write(line)


def _buffered(stdout: t.BinaryIO, size: int) -> t.BinaryIO:
    try:
        # Of its own, as closing the buffer would close what it writes to.
        raw = io.FileIO(stdout.fileno(), "wb", closefd=False)
    except OSError:  # not a file, as where a test takes the output
        return stdout
    return io.BufferedWriter(raw, size)


@contextlib.contextmanager
def _abandoned_if_it_fails(out: t.BinaryIO) -> Iterator[None]:
    """Write to nowhere after an error.

    What the buffer still holds is written again when Python ends, which from 3.13 on
    tells of the second error with a traceback.
    """
    try:
        yield
    except OSError:
        abandon(out)
        raise


def abandon(out: t.IO[t.Any]) -> None:
    """Let nothing more that is written to a file arrive there, or fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)
