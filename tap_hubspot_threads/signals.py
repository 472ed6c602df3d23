"""How a signal ends a run: by an exception that leaves every message whole."""

from __future__ import annotations

import contextlib
import signal
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

GRACE = 10.0
"""Seconds from a signal to the end of the process, whatever the target does."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_process_is_ours = False


class Terminated(SystemExit):
    """A signal asked the run to stop.

    The exit code is 128 plus the number of the signal, as a shell reports it.

    If the process is the command's own, further signals are ignored: a terminal and a
    runner may both send one, and the second must not cut off what the first started.
    An alarm ends the process after `GRACE` seconds, for a target that never reads
    again. A shell reports that as 142. Windows has no alarm.
    """

    def __init__(self, signum: int) -> None:
        """Keep the signal."""
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name
        if _process_is_ours:
            for number in _SIGNALS:
                signal.signal(number, _do_nothing)
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, GRACE)


@contextlib.contextmanager
def owned() -> Iterator[None]:
    """Treat the process as the command's own, and not as a program that calls it."""
    global _process_is_ours  # noqa: PLW0603 - as global as signals are
    _process_is_ours = True
    try:
        yield
    except Terminated:
        # While Python shuts down, it resets every handler but this one.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise
    finally:
        _process_is_ours = False


def _do_nothing(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing. Python warns about a signal that is ignored while it arrives."""
