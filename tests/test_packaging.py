"""What users install, from wherever they install it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import tap_hubspot_threads
from tests.bootstrap import PINS, ROOT
from tests.fake_hubspot import Account, FakeHubSpot
from tests.harness import TOKEN, Output
from tests.meltano_project import environment
from tests.readme import block, type_in

NAME = "tap-hubspot-threads"
SOURCES = ("tap_hubspot_threads", "pyproject.toml", "README.md", "LICENSE")


def build(source: Path, target: Path, *what: str) -> Path:
    """Build with the pinned backend, and return the one file that was made."""
    uv = Path(sys.executable).with_name("uv")
    options = ("--python", sys.executable, *what, "--out-dir", str(target))
    done = subprocess.run(
        [str(uv), "build", "--no-build-isolation", *options, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = (file for file in target.iterdir() if file.name != ".gitignore")
    return made


def archive(target: Path) -> Path:
    """Copy what a source archive holds: no git, and nothing that git knows."""
    target.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    settings = project["tool"]["hatch"]["build"]["targets"]["sdist"]
    for name in (*SOURCES, *settings["only-include"][1:]):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, target / name)
    return target


def test_wheel(tmp_path: Path) -> None:
    """A wheel from a source archive holds the package, its types, and no tests."""
    wheel = build(archive(tmp_path / "source"), tmp_path / "dist", "--wheel")
    with zipfile.ZipFile(wheel) as contents:
        names = contents.namelist()
        [metadata] = [n for n in names if n.endswith(".dist-info/METADATA")]
        [points] = [n for n in names if n.endswith(".dist-info/entry_points.txt")]
        requires = re.findall(
            r"^Requires-Dist: ([\w-]+)", contents.read(metadata).decode(), re.MULTILINE
        )
        scripts = contents.read(points).decode()
    package = (ROOT / "tap_hubspot_threads").glob("*.*")
    assert {name for name in names if ".dist-info/" not in name} == {
        f"tap_hubspot_threads/{file.name}" for file in package
    }
    assert "tap_hubspot_threads/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert (
        "tap-hubspot-threads = tap_hubspot_threads.tap:TapHubSpotThreads.cli" in scripts
    )
    assert "singer-sdk" in requires
    assert "python-backoff" in requires
    assert "backoff" not in requires, "it would overwrite python-backoff's files"


def test_source_distribution(tmp_path: Path) -> None:
    """A source distribution holds the tests, too, and builds the same wheel."""
    made = build(archive(tmp_path / "source"), tmp_path / "sdist", "--sdist")
    with tarfile.open(made) as contents:
        contents.extractall(tmp_path, filter="data")
    unpacked = tmp_path / made.name.removesuffix(".tar.gz")
    assert (unpacked / "tests" / "constraints.txt").is_file()
    assert (unpacked / "tests" / "fake_hubspot" / "__main__.py").is_file()
    again = build(unpacked, tmp_path / "dist", "--wheel")
    assert again.name == f"{unpacked.name}-py3-none-any.whl"


def test_shallow_clone(tmp_path: Path) -> None:
    """A clone without history and tags has a version, and can be installed."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone")
    clone = tmp_path / "clone"
    command = ["git", "clone", "--quiet", "--depth=1", "--no-tags", ROOT.as_uri()]
    cloned = subprocess.run([*command, clone], capture_output=True, check=False)
    if cloned.returncode or not (clone / "pyproject.toml").is_file():
        pytest.skip("nothing has been committed yet")
    wheel = build(clone, tmp_path / "dist", "--wheel")
    assert re.match(r"tap_hubspot_threads-\d+\.\d+.*-py3-none-any\.whl", wheel.name)


@pytest.mark.fresh
@pytest.mark.xdist_group("plugin")
def test_plugin_definition(tmp_path: Path) -> None:
    """An empty Meltano project runs the tap that it was given with plugin.yaml."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "meltano.yml").write_text("environments:\n- name: dev\n")
    wheel = build(archive(tmp_path / "source"), tmp_path / "dist", "--wheel")
    account = Account(size=30)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        given = {
            # As if the wheel had been released.
            "UV_FIND_LINKS": str(wheel.parent),
            "TAP_HUBSPOT_THREADS_API_URL": hubspot.url,
            "TAP_HUBSPOT_THREADS_ACCESS_TOKEN": TOKEN,
            "MELTANO_CLI_LOG_CONFIG": "",
        }

        def meltano(*arguments: str) -> str:
            done = subprocess.run(
                [Path(sys.executable).with_name("meltano"), *arguments],
                cwd=project,
                env=environment() | given,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        shutil.copy(ROOT / "plugin.yaml", project)
        printed = type_in(project, block("console", "--from-ref"), **given)
        assert f"{NAME} v{wheel.name.split('-')[1]}" in printed
        output = Output.parse(meltano("--environment=dev", "invoke", NAME), 0)
        listed = meltano("config", "list", NAME)
    assert len(output.records) == len(account)
    assert "Group 1: access_token" in listed
    assert TOKEN not in listed


@pytest.mark.skipif("TESTED_WITH" not in os.environ, reason="it is the working tree")
def test_the_wheel_is_what_is_tested() -> None:
    """With `--oldest` and `--newest` the package is the installed one."""
    assert Path(tap_hubspot_threads.__file__).is_relative_to(sys.prefix)
    shown = subprocess.run(
        [sys.executable, "-c", "import tap_hubspot_threads as t; print(t.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(sys.prefix)
    if os.environ["TESTED_WITH"] == "oldest":
        assert version("click") == "8.2.0"


def test_pins() -> None:
    """Every pin has hashes; no line says where packages come from."""
    text = re.sub(r"^#.*\n", "", PINS.read_text(), flags=re.MULTILINE)
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pins) > 50
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+( ; .+)? \\\n", pin), pin
        assert "--hash=sha256:" in pin
    assert "://" not in text
    assert "index" not in text
    assert "find-links" not in text


def test_help_needs_nothing(tmp_path: Path) -> None:
    """The fake HubSpot's help is shown from the project's root, as it is documented."""
    shown = subprocess.run(
        [sys.executable, "-m", "tests.fake_hubspot", "--help"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0
    assert "usage" in shown.stdout
