"""Takes the picture of the report for the documentation: of the demo's account.

The browser is always the one from npm, so that all machines take the same picture.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import typing as t
from pathlib import Path

from tap_hubspot_threads.report import page
from tap_hubspot_threads.report.contents import Report
from tap_hubspot_threads.report.warehouse import Warehouse
from tests.demo.account import account_on
from tests.support import duckdb_file
from tests.support.browser import Chromium

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEW = {"width": 1140, "height": 1128}


def take(browser: Browser, target: Path) -> None:
    """Write the picture of the top of the page."""
    account = account_on(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "demo.duckdb")
        duckdb_file.load(path, account)
        with Warehouse(str(path)) as warehouse:
            html = page.render(Report.of(warehouse, account.clock.now))
        file = Path(folder, "demo.html")
        file.write_text(html, encoding="utf-8")
        tab = browser.new_page(color_scheme="light")
        tab.set_viewport_size({"width": VIEW["width"], "height": VIEW["height"]})
        tab.goto(file.as_uri())
        tab.screenshot(path=target)
        tab.close()


def size(png: bytes) -> tuple[int, int]:
    """Return the width and height of a PNG file."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


if __name__ == "__main__":
    with Chromium.from_npm().run() as found:
        take(found, Path(sys.argv[1]))
