"""Run the tests: ``python3 tests [arguments of pytest]``. No setup is needed.

With ``--oldest`` or ``--newest`` as the first argument, the wheel is tested with the
oldest or the newest dependencies that it allows. This leaves out the tests that install
the tap with Meltano.

With ``--beyond``, everything is tested with the newest singer-sdk and Meltano,
pre-releases included, and the newest loaders, whatever the project allows. A line for
each private name of singer-sdk that the tap uses comes first, and says if it has moved.
The versions come last, once more with the names that have moved.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from tests.support import bootstrap

    extreme = sys.argv[1].removeprefix("--") if sys.argv[1:] else ""
    if extreme in bootstrap.EXTREMES:
        tests = "not nightly and not xdist_group"
        if extreme == "beyond":
            tests = "not nightly and not fresh"
        options = ("--import-mode=append", "-m", tests)
        bootstrap.run_with(extreme, "python", "-m", "pytest", *options, *sys.argv[2:])
    bootstrap.run("python", "-m", "pytest", *sys.argv[1:])
