"""Singer messages on their way to stdout."""

from __future__ import annotations

import atexit
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
    from collections.abc import Iterable

    from singer_sdk.singerlib.encoding.simple import Message


class PageWriter(MsgSpecWriter):
    """Writes what the SDK's writer would write, but a page of records at a time.

    Everything goes through one buffer with room for a page and its STATE, so only
    `flush` waits for the target. If a signal ends the run there, the buffer still holds
    whole lines. Stdout's own buffer is smaller, and missing with ``PYTHONUNBUFFERED``.
    """

    BUFFER = 1 << 20
    """Bytes. A page of 500 threads takes a third of it."""

    def __init__(self) -> None:
        """Open nothing yet: the SDK makes a writer for `--about`, too."""
        super().__init__()
        encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
        self._encode_lines = encoder.encode_lines
        self._last_state = b""
        self._stdout: t.BinaryIO | None = None
        self._out: t.BinaryIO | None = None

    @override
    def write_message(self, message: Message) -> None:
        line = bytes(self.format_message(message))
        self._write(line)
        if message.type == SingerMessageType.STATE:
            self._last_state = line
        if message.type != SingerMessageType.RECORD:
            self.flush()

    def repeat_state(self) -> None:
        """Write the last STATE once more, at the end of a run that is stopped.

        Some targets only print a state that no record follows.
        """
        if self._last_state:
            self._write(self._last_state)

    def write_records(
        self,
        stream: str,
        records: Iterable[dict[str, t.Any]],
        *,
        version: int | None,
        extracted_at: dt.datetime,
    ) -> None:
        """Write a RECORD message for each record; the next flush sends them.

        Args:
            stream: Name of the stream.
            records: A page at most.
            version: Version of the stream; None for none.
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
        """Send to the target what has been written."""
        if self._out is not None:
            with _abandoned_on_error(self._out):
                self._out.flush()

    def _flush_at_exit(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.flush()

    def _write(self, lines: bytes | bytearray) -> None:
        stdout = sys.stdout.buffer
        if self._out is None or stdout is not self._stdout:
            stdout.flush()
            self._stdout, self._out = stdout, _buffered(stdout, self.BUFFER)
            # A signal may have ended the run between two parts of a message, and a
            # thread that waits for HubSpot keeps the buffer from being closed.
            atexit.register(self._flush_at_exit)
        with _abandoned_on_error(self._out):
            if len(lines) <= self.BUFFER:
                self._out.write(lines)
            else:
                for line in lines.splitlines(keepends=True):
                    self._out.write(line)


def _buffered(stdout: t.BinaryIO, size: int) -> t.BinaryIO:
    try:
        # Its own file object, because closing the buffer would close what is below it.
        raw = io.FileIO(stdout.fileno(), "wb", closefd=False)
    except OSError:  # not a file, as where a test takes the output
        return stdout
    if hasattr(os, "set_blocking"):
        os.set_blocking(raw.fileno(), True)  # whatever the parent has made of it
    return io.BufferedWriter(raw, size)


@contextlib.contextmanager
def _abandoned_on_error(out: t.BinaryIO) -> t.Iterator[None]:
    """Write to the null device after an error.

    Python writes the rest of a buffer at exit. From 3.13 on, it prints a traceback if
    that fails a second time.
    """
    try:
        yield
    except OSError:
        abandon(out)
        raise


def abandon(out: t.IO[t.Any]) -> None:
    """Redirect a file to the null device."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, out.fileno())
        os.close(null)
