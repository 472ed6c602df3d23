"""The command line: how a run ends, and the one line that says why."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import traceback
import typing as t
from pathlib import Path

import click
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from tap_hubspot_threads.signals import Terminated, watched
from tap_hubspot_threads.writer import abandon

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class TapCommand(SingerCommand):
    """The SDK's command, which ends every failing run with one line on stderr.

    The traceback is shown at log level DEBUG only. Exit codes: 0 for a complete run,
    1 for a failed one, 2 for wrong command-line options, 128 and its number for a
    signal.
    """

    @classmethod
    def wrap(cls, command: click.Command, logger: logging.Logger) -> TapCommand:
        """Return the same command with this class's way to end."""
        return cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=logger,
        )

    @override
    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        # It quotes what it cannot read of an answer's headers, with a traceback.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
        if sys.stdout is None:
            self.logger.error("The output is closed, so there is nowhere to write to")
            sys.exit(1)
        try:
            with watched(), self._stopping_well():
                return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            for problem in error.errors:
                self.logger.error("%s", problem)  # noqa: TRY400 - no traceback
        except Exception as error:  # noqa: BLE001 - whatever it is, one line
            self._report(error)
        _abandon_stdout()
        sys.exit(1)

    @contextlib.contextmanager
    def _stopping_well(self) -> Iterator[None]:
        try:
            yield
        except Terminated as stop:
            stop.write_state()
            self.logger.warning(
                "Stopped by %s; the run can go on from its last STATE", stop
            )
            raise

    @override
    def invoke(self, ctx: click.Context) -> t.Any:
        # Not the parent's: it reports wrong settings with a second line that names
        # nothing, and leaves the rest to an excepthook with a traceback.
        logging.captureWarnings(capture=True)
        # What has been imported stays; looking through it again and again takes a tenth
        # of a run's time.
        gc.freeze()
        try:
            return click.Command.invoke(self, ctx)
        except BrokenPipeError:
            # The target has gone and says why itself.
            self.logger.debug("The output was closed by its reader")
            _abandon_stdout()
            ctx.exit(1)
        finally:
            gc.unfreeze()

    def _report(self, error: Exception) -> None:
        in_full = error if self.logger.isEnabledFor(logging.DEBUG) else None
        self.logger.error("%s", _one_line(error), exc_info=in_full)


def _one_line(error: Exception) -> str:
    if isinstance(error, SingerSDKError | FileNotFoundError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot use {error.filename or 'the output'}: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return (
            "A file given by --config, --catalog or --state is not JSON, as it is not "
            "UTF-8 text"
        )
    if isinstance(error, ValueError) and hasattr(error, "lineno"):  # of any decoder
        return (
            "A file given by --config, --catalog or --state is not JSON, see line "
            f"{error.lineno}"
        )
    if any(f.filename.endswith("simpleeval.py") for f in _frames(error)):
        return (
            "An expression of the setting `stream_maps` ended in "
            f"{type(error).__name__} for a thread; mend it so that it can be "
            "evaluated for every thread, fields that are null included"
        )
    # Not the message: of an error nobody has foreseen, it may quote anything.
    frame = _frames(error)[-1]
    return (
        f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}. "
        "This should not happen; set LOGLEVEL=DEBUG for the traceback, and please "
        "report it"
    )


def _frames(error: Exception) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__)


def _abandon_stdout() -> None:
    """Keep the interpreter from failing again when it flushes stdout at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)
