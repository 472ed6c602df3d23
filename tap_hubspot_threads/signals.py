"""How a signal ends a run: by an exception that leaves every message whole."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
import typing as t

from singer_sdk import Tap
from typing_extensions import override

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

GRACE = 10.0
"""Seconds from a signal to the end of the process, if nothing else ends it."""

NUDGE = 0.05
"""Seconds until a signal that the main thread has not noticed is sent to it again."""


class Terminated(SystemExit):
    """A signal asked the run to stop.

    The exit code is 128 and the number of the signal, as a shell reports it.
    """

    def __init__(self, signum: int, write_state: Callable[[], None]) -> None:
        """Take no notice of signals from now on.

        A terminal and a runner may both send one: the second must not cut off what
        the first has begun.

        Args:
            signum: Number of the signal.
            write_state: Writes STATE for the rows that were written.
        """
        super().__init__(128 + signum)
        self._name = signal.Signals(signum).name
        self.write_state = write_state
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _take_no_notice)

    @override
    def __str__(self) -> str:
        """Return the name of the signal."""
        return self._name


def _take_no_notice(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing: Python warns of a signal that is ignored while it arrives."""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """See to it that a signal ends the process, whatever the main thread waits for.

    Python only notes a signal, and calls the handler when the main thread comes back
    from what it does. A signal that arrives just before a wait begins, or that the
    system gives to another thread, does not end that wait, which lasts for as long as
    HubSpot or the target takes. And the handler's exception may meet a lock that is
    taken and not yet in the block that gives it back, or a target that never reads
    again; then the process would not end at all.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_kill"):  # Windows
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Now, and not by a handler, which may have met the start of another thread.
    threading.Thread(target=_watch, args=(reading,), name="watch", daemon=True).start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)


def _watch(reading: int) -> None:
    """Read the numbers of signals, up to the end of the pipe: that of the watch."""
    while numbers := os.read(reading, 1):
        if _stops_a_tap(numbers[0]):
            _see_it_end(numbers[0], reading)
    os.close(reading)


def _stops_a_tap(number: int) -> bool:
    """Say whether a signal is one that ends a run; a program may handle others."""
    handler = signal.getsignal(number)
    return handler is _take_no_notice or isinstance(
        getattr(handler, "__self__", None), Tap
    )


def _see_it_end(number: int, reading: int) -> None:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if signal.getsignal(number) is not _take_no_notice:
            main = threading.main_thread().ident
            signal.pthread_kill(t.cast("int", main), number)
        if select.select([reading], [], [], NUDGE)[0] and not os.read(reading, 64):
            return
    os._exit(128 + number)
