"""Run the tests: ``python3 tests [arguments of pytest]``, and nothing beforehand."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from tests import bootstrap

    bootstrap.run("python", "-m", "pytest", *sys.argv[1:])
