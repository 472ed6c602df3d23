"""The end of ``python3 tests --beyond``: what was tested, and what has moved."""

from __future__ import annotations

import os
import platform
import typing as t
from importlib.metadata import version

from tests.support.private_names import NAMES, line

if t.TYPE_CHECKING:
    import pytest

PROPERTY = "loader"
"""The property of a test's report that has the versions of a loader, as text."""


def print_summary(terminal: pytest.TerminalReporter) -> None:
    """Print the versions of a run, and the private names that have moved."""
    if os.environ.get("TESTED_WITH") != "beyond":
        return
    if hasattr(terminal.config, "workerinput"):
        return  # the reports go to the process that started this one
    loaders = {
        value: None
        for reports in terminal.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY
    }
    moved = [text for is_there, text in map(line, NAMES) if not is_there]
    terminal.section("Beyond the bounds")
    terminal.write_line(
        f"Tested with singer-sdk {version('singer-sdk')}, Meltano {version('meltano')} "
        f"and Python {platform.python_version()}."
    )
    terminal.write_line(f"Loaders: {', '.join(loaders) or 'none was tested'}.")
    if not moved:
        terminal.write_line(
            f"All {len(NAMES)} private names of singer-sdk are where the tap expects "
            "them."
        )
        return
    terminal.write_line(
        f"{len(moved)} of {len(NAMES)} private names of singer-sdk have moved:"
    )
    for text in moved:
        terminal.write_line(text)
