"""Prints the readings of a test run as one table, from whichever process they come."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from tests.contract.facts import FACTS
from tests.contract.readings import Reading, table

if t.TYPE_CHECKING:
    import pytest

PROPERTY = "reading"
"""The property of a test's report that has a reading."""

FILE = "HUBSPOT_LIVE_REPORT"
"""Environment variable: the file to write the table to, if any."""


def print_readings(terminal: pytest.TerminalReporter) -> None:
    """Print the table of a run, if it made one, and write it to the file."""
    if hasattr(terminal.config, "workerinput"):
        return  # the reports go to the process that started this one
    readings = [
        Reading(*value)
        for reports in terminal.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY and value[0] in FACTS
    ]
    if not readings:
        return
    text = table(readings)
    terminal.section("HubSpot's API, as seen in this account")
    terminal.write_line(text)
    if path := os.environ.get(FILE):
        Path(path).write_text(f"{text}\n", encoding="utf-8")
