"""The arguments of the command, and what it prints and writes."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import typing as t
from pathlib import Path

from tap_hubspot_threads.report import console, page
from tap_hubspot_threads.report.contents import Report
from tap_hubspot_threads.report.warehouse import SCHEMA, NothingToReport, Warehouse

PATHS = ("TARGET_DUCKDB_PATH", "REPORT_PATH")
"""The variables in which Meltano passes the loader's path, and the report's own."""


def main() -> None:
    """Print the report, and write the page if that is asked for."""
    path = next((os.environ[name] for name in PATHS if os.environ.get(name)), None)
    parser = argparse.ArgumentParser(
        prog="hubspot-threads-report",
        description="Report on the conversation threads in a DuckDB file.",
    )
    parser.add_argument(
        "path",
        nargs="?" if path else None,
        default=path,
        help=f"the DuckDB file (default: the first of {', '.join(PATHS)} that is set)",
    )
    parser.add_argument("--schema", default=SCHEMA, help=f"(default: {SCHEMA})")
    parser.add_argument("--html", metavar="FILE", help="also write a page with charts")
    arguments = parser.parse_args()
    t.cast("t.Any", sys.stdout).reconfigure(encoding="utf-8", line_buffering=True)
    try:
        with Warehouse(arguments.path, arguments.schema) as warehouse:
            publish(warehouse, dt.datetime.now(dt.UTC), arguments.html)
    except NothingToReport as problem:
        sys.exit(str(problem))
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"Cannot write {arguments.html}: {error.strerror}")


def publish(warehouse: Warehouse, now: dt.datetime, html: str | None = None) -> None:
    """Print the report, and write the page if there is a file for it.

    Args:
        warehouse: What to report on.
        now: The present moment. Waits last until then.
        html: The path of the page, or None.

    Raises:
        OSError: The page cannot be written.
    """
    report = Report.of(warehouse, now.replace(microsecond=0))
    print("\n".join(console.lines(warehouse, report)))
    if html:
        Path(html).write_text(page.render(report), encoding="utf-8")
        print(f"\nPage: {html}")
