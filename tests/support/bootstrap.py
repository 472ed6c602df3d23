"""The virtual environment of the demo and the tests.

It is created in ``.venv`` with the standard library and pip alone, from the pins in
``constraints.txt``, and created again only when something it depends on has changed.

Three others are available: ``.venv-oldest`` and ``.venv-newest`` contain the wheel
instead of the working tree, with the oldest or the newest dependencies it allows.
``.venv-beyond`` contains it with the newest singer-sdk and Meltano that exist,
pre-releases included, whatever it allows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
import typing as t
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXTREMES = ("oldest", "newest", "beyond")
PINS = ROOT / "tests" / "constraints.txt"
OLDEST_PYTHON = (3, 11)

_BEYOND = ("singer-sdk", "meltano")
_UNBOUND = "singer-sdk[msgspec]"
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"
_DIRECT_DEPENDENCIES = """
import re
from importlib.metadata import requires, version
for requirement in requires("tap-hubspot-threads"):
    name = re.match(r"[\\w-]+", requirement)[0]
    print(f"{name}=={version(name)}")
"""
_MELTANO = """
from importlib.metadata import version
print(f"meltano=={version('meltano')}")
"""


def run(*command: str, env: dict[str, str] | None = None) -> t.NoReturn:
    """Replace this process by a command of the environment, in the project's folder."""
    _become(_Environment(), command, env or {})


def run_with(extreme: str, *command: str) -> t.NoReturn:
    """Run a command where the wheel has the oldest, newest or latest dependencies."""
    # The working tree comes last. Otherwise it would be tested instead of the wheel.
    env = {"PYTHONSAFEPATH": "1", "TESTED_WITH": extreme}
    environment = _Environment(extreme)
    if extreme == "beyond":
        environment.make()
        # Before the tests, none of which starts if an import fails.
        check = [str(environment.python), "-m", "tests.support.private_names"]
        subprocess.call(check, cwd=ROOT, env={**os.environ, **env})
    _become(environment, command, env)


def _become(
    environment: _Environment, command: tuple[str, ...], env: dict[str, str]
) -> t.NoReturn:
    environment.make()
    os.chdir(ROOT)
    arguments = [str(environment.bin / command[0]), *command[1:]]
    # The tests and the demo start many processes. If this is set, as in some CI images,
    # each process compiles everything it imports.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **env}
    if os.name == "nt":  # where a process cannot replace itself
        sys.exit(subprocess.call(arguments, env=variables))
    # Signals then reach the command itself, and no process is left behind.
    os.execve(arguments[0], arguments, variables)


class _Environment:
    """A virtual environment that is created if it is missing or out of date."""

    def __init__(self, extreme: str | None = None) -> None:
        folder = ROOT / (f".venv-{extreme}" if extreme else ".venv")
        self.extreme = extreme
        self.folder = folder
        self.bin = folder / _SCRIPTS
        self.python = self.bin / ("python.exe" if os.name == "nt" else "python")
        self._stamp = folder / "made-from"

    def make(self) -> None:
        if sys.version_info < OLDEST_PYTHON:
            sys.exit(
                "Python {}.{} or later is needed, this is {}.{}.".format(
                    *OLDEST_PYTHON, *sys.version_info
                )
            )
        wanted = self._fingerprint()
        made = self._stamp.read_text() if self._stamp.is_file() else None
        if made == wanted:
            return
        name = self.folder.name
        if self.folder.exists() and made is None and not self._is_made_by_uv():
            sys.exit(f"{name} was not made by this command. Move it out of the way.")
        print(f"Installing the requirements into {name} ...", file=sys.stderr)
        started = time.monotonic()
        if Path(sys.prefix) != self.folder:  # otherwise this very process runs from it
            venv.create(self.folder, clear=True, symlinks=os.name != "nt")
        self._stamp.write_text("unfinished")
        # pip alone takes ten times as long as uv, which Meltano needs anyway.
        with tempfile.TemporaryDirectory() as temporary:
            only_uv = Path(temporary, "uv.txt")
            only_uv.write_text(_pin_of("uv"))
            arguments = ("--require-hashes", "--no-deps", "-r", str(only_uv))
            _pip("--python", str(self.python), "install", "--quiet", *arguments)
            self._install(Path(temporary))
        self._stamp.write_text(wanted)
        print(f"... done in {time.monotonic() - started:.0f} s.", file=sys.stderr)

    def _is_made_by_uv(self) -> bool:
        """Whether `uv run` created it, and can create it again."""
        config = self.folder / "pyvenv.cfg"
        return config.is_file() and "\nuv = " in config.read_text()

    def _install(self, temporary: Path) -> None:
        if self.extreme is None:
            self._uv_pip("--require-hashes", "--no-deps", "-r", str(PINS))
            self._uv_pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
            return
        project = str(ROOT / "pyproject.toml")
        wheel = os.environ.get("WHEEL")
        if wheel is None:
            built = ("--wheel", "--out-dir", str(temporary), str(ROOT))
            _check([self._uv, "build", "--quiet", "--python", str(self.python), *built])
            [wheel] = map(str, temporary.glob("*.whl"))
        self._uv_pip("--no-deps", wheel)
        overrides = temporary / "overrides.txt"
        options = ["--overrides", str(overrides)]
        if self.extreme == "oldest":
            self._uv_pip("--resolution", "lowest-direct", "-r", project)
            # Test tools must accept these versions, even if they require newer ones.
            overrides.write_text(self._run(_DIRECT_DEPENDENCIES))
        elif self.extreme == "newest":
            options = ["--upgrade"]
        else:
            overrides.write_text(_UNBOUND)
            for name in _BEYOND:
                options += ["--prerelease-package", f"{name}=allow"]
            options.append("--upgrade")
        self._uv_pip(wheel, "--group", f"{project}:dev", *options)
        print(self._run(_DIRECT_DEPENDENCIES), end="", file=sys.stderr)
        if self.extreme == "beyond":
            print(self._run(_MELTANO), end="", file=sys.stderr)
        # At the end of the path, so that the wheel comes before the working tree.
        folder = self._run("import sysconfig as s; print(s.get_path('purelib'))")
        Path(folder.strip(), "tests.pth").write_text(f"{ROOT}\n")

    def _fingerprint(self) -> str:
        """Return a hash of everything it is made from, including the interpreter."""
        files = [PINS, ROOT / "pyproject.toml"]
        if self.extreme:
            package = (ROOT / "tap_hubspot_threads").rglob("*.*")
            files += sorted(file for file in package if file.suffix != ".pyc")
        parts = [file.read_bytes() for file in files]
        parts.append(f"{sys.version_info[:2]} {self.folder}".encode())
        if self.extreme == "beyond":  # what is newest changes without a change here
            parts.append(str(dt.datetime.now(tz=dt.UTC).date()).encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    @property
    def _uv(self) -> str:
        return str(self.bin / "uv")

    def _uv_pip(self, *arguments: str) -> None:
        python = ("--python", str(self.python))
        _check([self._uv, "pip", "install", "--quiet", *python, *arguments])

    def _run(self, code: str) -> str:
        return subprocess.check_output([str(self.python), "-c", code], text=True)


def _pin_of(name: str) -> str:
    """Return the lines of one package: ``name==version \\``, then its hashes."""
    pin = re.search(
        rf"^{name}==.*?(?=^[A-Za-z0-9]|\Z)", PINS.read_text(), re.MULTILINE | re.DOTALL
    )
    assert pin, f"{PINS} holds no {name}"
    return pin[0]


def _pip(*args: str) -> None:
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"{sys.executable} has no pip, which is needed to begin with.")
    _check([sys.executable, "-m", "pip", *args])


def _check(command: list[str]) -> None:
    code = subprocess.call(command, cwd=ROOT)
    if code:
        sys.exit(f"Installing failed ({' '.join(command[:3])} ended with {code}).")
