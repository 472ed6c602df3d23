"""Run the tests: ``python3 tests [arguments of pytest]``. No setup is needed.

With ``--oldest`` or ``--newest`` as the first argument, the wheel is tested with the
oldest or the newest dependencies that it allows. This leaves out the tests that install
the tap with Meltano.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from tests.support import bootstrap

    extreme = sys.argv[1].removeprefix("--") if sys.argv[1:] else ""
    if extreme in bootstrap.EXTREMES:
        options = ("--import-mode=append", "-m", "not nightly and not xdist_group")
        bootstrap.run_with(extreme, "python", "-m", "pytest", *options, *sys.argv[2:])
    bootstrap.run("python", "-m", "pytest", *sys.argv[1:])
