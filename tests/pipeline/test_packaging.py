"""The packages that users install, from each source they can use."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import tap_hubspot_threads
from tests.demo.truth import CUSTOMERS, FIELDS_OF, differences, rows_of
from tests.fake_hubspot import Account, FakeHubSpot
from tests.support import duckdb_file
from tests.support.bootstrap import PINS, ROOT
from tests.support.harness import TOKEN, Output
from tests.support.meltano_project import environment
from tests.support.readme import PAGES, block, type_in
from tests.support.schedule import clone

NAME = "tap-hubspot-threads"
REPOSITORY = f"https://github.com/OWNER/{NAME}.git"
SOURCES = ("tap_hubspot_threads", "pyproject.toml", "README.md", "LICENSE")


def build(source: Path, target: Path, *what: str) -> Path:
    """Build with the pinned backend, and return the file that was built."""
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
    """Copy the contents of a source archive, without anything from git."""
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
    """A wheel from a source archive has the package and its metrics, but no tests."""
    wheel = build(archive(tmp_path / "source"), tmp_path / "dist", "--wheel")
    with zipfile.ZipFile(wheel) as contents:
        names = contents.namelist()
        [metadata] = [n for n in names if n.endswith(".dist-info/METADATA")]
        [points] = [n for n in names if n.endswith(".dist-info/entry_points.txt")]
        requires = re.findall(
            r"^Requires-Dist: ([\w-]+)", contents.read(metadata).decode(), re.MULTILINE
        )
        scripts = contents.read(points).decode()
    package = (ROOT / "tap_hubspot_threads").rglob("*.*")
    assert {name for name in names if ".dist-info/" not in name} == {
        file.relative_to(ROOT).as_posix() for file in package if file.suffix != ".pyc"
    }
    assert "tap_hubspot_threads/py.typed" in names
    assert "tap_hubspot_threads/report/metrics/waiting_now.sql" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "tap-hubspot-threads = tap_hubspot_threads.__main__:main" in scripts
    script = "hubspot-threads-report = tap_hubspot_threads.report.__main__:main"
    assert script in scripts
    for name in ("page.html", "page.css"):
        assert f"tap_hubspot_threads/report/{name}" in names
    assert "singer-sdk" in requires
    assert "python-backoff" in requires
    assert "backoff" not in requires, "it would overwrite python-backoff's files"


def test_source_distribution(tmp_path: Path) -> None:
    """A source distribution contains the tests as well, and builds the same wheel."""
    made = build(archive(tmp_path / "source"), tmp_path / "sdist", "--sdist")
    with tarfile.open(made) as contents:
        contents.extractall(tmp_path, filter="data")
    unpacked = tmp_path / made.name.removesuffix(".tar.gz")
    assert (unpacked / "tests" / "constraints.txt").is_file()
    assert (unpacked / "tests" / "fake_hubspot" / "__main__.py").is_file()
    for folder in ("docs", "plugins"):
        names = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.*")}
        assert len(names) > 5
        assert all((unpacked / name).is_file() for name in names)
    again = build(unpacked, tmp_path / "dist", "--wheel")
    assert again.name == f"{unpacked.name}-py3-none-any.whl"


def test_shallow_clone(tmp_path: Path) -> None:
    """A clone without history and tags has a version and can be installed."""
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
    """An empty Meltano project runs the tap that was added with plugin.yaml."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "meltano.yml").write_text("environments:\n- name: dev\n")
    wheel = build(archive(tmp_path / "source"), tmp_path / "dist", "--wheel")
    account = Account(size=30)
    with FakeHubSpot(account, token=TOKEN) as hubspot:
        given = {
            # As if the wheel were released.
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
    records = [m for m in output.messages if m["type"] == "RECORD"]
    assert sum(m["stream"] == "threads" for m in records) == len(account)
    for stream in FIELDS_OF:
        rows = [m["record"] for m in records if m["stream"] == stream]
        assert list(differences(rows_of(account, stream), rows, stream)) == []
    assert "Group 1: access_token" in listed
    assert TOKEN not in listed


def repository(folder: Path) -> Path:
    """Make a git repository whose latest commit matches the working tree."""
    made = clone(folder)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "-qm", "x"]):
        # Without changes, there is nothing to commit.
        subprocess.run([*git, *command], cwd=made, capture_output=True, check=False)
    return made


def test_the_extra(tmp_path: Path) -> None:
    """What the report needs is in an extra, and its tests have the same packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["report"]
    assert project["dependency-groups"]["report"] == extra
    plain = {
        re.split(r"[<>=~\[]", each)[0] for each in project["project"]["dependencies"]
    }
    names = {re.split(r"[<>=~\[]", each)[0] for each in extra}
    assert names.isdisjoint(plain)
    files = (ROOT / "tap_hubspot_threads" / "report").glob("*.py")
    imported = {
        name
        for file in files
        for name in re.findall(
            r"^(?:import|from) (\w+)", file.read_text(), re.MULTILINE
        )
    }
    others = imported - sys.stdlib_module_names - {"tap_hubspot_threads"}
    assert others == {name.removesuffix("-python").replace("-", "_") for name in names}


@pytest.mark.fresh
@pytest.mark.xdist_group("plugin")
def test_installing_the_report(tmp_path: Path) -> None:
    """pip installs the extra, and its command writes a page."""
    example = block("console", "tap-hubspot-threads[report]")
    address = repository(tmp_path / "clone").as_uri()
    assert example.text.count(REPOSITORY) == 1
    # An old pip rejects a path where the documentation has an address.
    venv.create(tmp_path / "venv", with_pip=True, upgrade_deps=True)
    duckdb_file.load(tmp_path / "warehouse.duckdb", Account(size=60))
    printed = type_in(
        tmp_path,
        dataclasses.replace(example, text=example.text.replace(REPOSITORY, address)),
        PATH=os.pathsep.join([str(tmp_path / "venv" / "bin"), os.environ["PATH"]]),
    )
    assert "60 threads in hubspot.threads of warehouse.duckdb\n" in printed
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<svg") == 12


@pytest.mark.fresh
@pytest.mark.xdist_group("plugin")
def test_installing(tmp_path: Path) -> None:
    """uv and pip install the tap from the repository's address."""
    example = block("console", "uv tool install")
    address = repository(tmp_path / "clone").as_uri()
    assert example.text.count(REPOSITORY) == 2
    venv.create(tmp_path / "venv", with_pip=True)
    folders = [tmp_path / "venv" / "bin", Path(sys.executable).parent]
    type_in(
        tmp_path,
        dataclasses.replace(example, text=example.text.replace(REPOSITORY, address)),
        PATH=os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        UV_TOOL_DIR=str(tmp_path / "tools"),
        UV_TOOL_BIN_DIR=str(tmp_path / "bin"),
    )
    for folder in (tmp_path / "bin", tmp_path / "venv" / "bin"):
        shown = subprocess.check_output([folder / NAME, "--version"], text=True)
        assert shown.startswith(f"{NAME} v")


def start_as_cron(command: str, project: Path) -> None:
    """Run a command as cron does: with `sh`, a short `PATH`, and in another folder."""
    meltano = str(Path(sys.executable).with_name("meltano"))
    for documented, path in (
        ("/srv/my-project", str(project)),
        ("/usr/local/bin/meltano", meltano),
    ):
        assert documented in command
        command = command.replace(documented, path)
    subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"},
        check=True,
    )


@pytest.mark.fresh
@pytest.mark.xdist_group("plugin")
@pytest.mark.parametrize("source", ["path", "repository"])
def test_own_project(source: str, tmp_path: Path) -> None:
    """The lines for meltano.yml work in an empty project, also with a lock file.

    Meltano selects everything by default. Customers arrive only if that is asked for.
    """
    example = yaml.safe_load(block("yaml", "namespace: tap_hubspot_threads").text)
    plugins = example["plugins"]
    [tap] = plugins["extractors"]
    account = Account(size=700, seed=9)
    project = tmp_path / "project"
    project.mkdir()
    with FakeHubSpot(account, token="YOUR-TOKEN") as hubspot:
        env = {"MELTANO_CLI_LOG_CONFIG": ""}
        if source == "path":
            assert tap["pip_url"] == f"git+{REPOSITORY}"
            tap["pip_url"] = str(archive(tmp_path / "source"))
            tap["config"] = {"api_url": hubspot.url}
        else:
            [locked] = yaml.safe_load(
                block("yaml", "variant: tap-hubspot-threads").text
            )
            assert locked["pip_url"] == tap["pip_url"]
            address = repository(tmp_path / "clone").as_uri()
            plugins["extractors"] = [locked | {"pip_url": f"git+{address}"}]
            [link] = re.findall(
                r"\((plugins/extractors/.+\.lock)\)", PAGES["README.md"]
            )
            (project / link).parent.mkdir(parents=True)
            shutil.copy(ROOT / link, project / link)
            env["TAP_HUBSPOT_THREADS_API_URL"] = hubspot.url
            env["TAP_HUBSPOT_THREADS_INCLUDE_VISITORS"] = "true"
        # As `meltano init` writes it.
        init = {"default_environment": "dev", "environments": [{"name": "dev"}]}
        schedule = yaml.safe_load(block("yaml", "schedules:").text)
        (project / "meltano.yml").write_text(yaml.safe_dump(init | example | schedule))
        log = type_in(project, block("console", "export TAP_HUBSPOT"), **env)
        assert "YOUR-TOKEN" not in log
        if source == "path":
            account.create()
            (project / ".env").write_text("TAP_HUBSPOT_THREADS_ACCESS_TOKEN=YOUR-TOKEN")
            [entry] = schedule["schedules"]
            line = block("cron", "schedule run").text.removesuffix("\n")
            assert line.startswith(entry["interval"] + " ")
            start_as_cron(line.removeprefix(entry["interval"]), project)
            log = (project / "threads.log").read_text()
            assert "Environment 'prod' is active" in log
    python = (
        project / ".meltano" / "loaders" / "target-duckdb" / "venv" / "bin" / "python"
    )
    code = (
        "import duckdb, json, sys; warehouse = duckdb.connect('warehouse.duckdb'); "
        "tables = [warehouse.execute(f'SELECT id FROM hubspot.{table}').fetchall() "
        "for table in sys.argv[1:]]; "
        "print(json.dumps([[id for id, in rows] for rows in tables]))"
    )
    loaded = json.loads(
        subprocess.check_output([python, "-c", code, *FIELDS_OF], cwd=project)
    )
    for stream, ids in zip(FIELDS_OF, loaded, strict=True):
        truth = rows_of(account, stream, customers=source == "repository")
        assert sorted(ids) == sorted(row["id"] for row in truth)
    is_customer = {actor[0] in CUSTOMERS for actor in ids}
    assert is_customer == {False, source == "repository"}


@pytest.mark.skipif("TESTED_WITH" not in os.environ, reason="it is the working tree")
def test_the_wheel_is_what_is_tested() -> None:
    """With `--oldest` and `--newest`, the tests use the installed package."""
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
    """Every pin has hashes, and no line names an index."""
    text = re.sub(r"^#.*\n", "", PINS.read_text(), flags=re.MULTILINE)
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pins) > 50
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+( ; .+)? \\\n", pin), pin
        assert "--hash=sha256:" in pin
    assert "://" not in text
    assert "index" not in text
    assert "find-links" not in text
    lock = (ROOT / "tests/support/chromium/package-lock.json").read_text()
    packages = json.loads(lock)["packages"]
    assert all("integrity" in packages[name] for name in packages if name)
    assert "://" not in lock


def test_help_needs_nothing(tmp_path: Path) -> None:
    """The fake HubSpot shows its help in the project's root, as documented."""
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
