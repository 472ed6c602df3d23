"""The workflows are valid and safe, and agree with related files."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support.bootstrap import ROOT
from tests.support.readme import PAGES, needs_new_packages

FOLDER = ROOT / ".github"
FILES = {path.stem: path for path in sorted((FOLDER / "workflows").glob("*.yml"))}
WORKFLOWS: dict[str, dict[str, t.Any]] = {
    name: yaml.safe_load(path.read_text()) for name, path in FILES.items()
}
JOBS = {
    (workflow, name): job
    for workflow, content in WORKFLOWS.items()
    for name, job in content["jobs"].items()
}


@needs_new_packages
@pytest.mark.parametrize(
    "command",
    [
        ["zizmor", "--offline", "--persona=pedantic", "--no-progress", ".github"],
        [
            *("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
            *(str(path) for path in FILES.values()),
        ],
        [
            *("check-jsonschema", "--builtin-schema", "vendor.dependabot"),
            ".github/dependabot.yml",
        ],
        ["check-jsonschema", "--builtin-schema", "vendor.meltano", "meltano.yml"],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_linters(command: list[str]) -> None:
    """The linters find no problem."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned() -> None:
    """Each action is pinned to one full commit, with its version in a comment."""
    uses: dict[str, set[str]] = {}
    for path in FILES.values():
        for line in re.findall(r"^.*\buses:.*$", path.read_text(), re.MULTILINE):
            pinned = re.fullmatch(
                r" +(?:- )?uses: ([\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line
            )
            assert pinned, line
            uses.setdefault(pinned[1], set()).add(pinned[2])
    assert [name for name, pins in uses.items() if len(pins) > 1] == []


def test_every_python_is_tested() -> None:
    """The matrix lists the Python versions that the package claims to support."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = [
        name.rpartition(" ")[2]
        for name in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    ]
    check = JOBS["ci", "check"]
    assert check["strategy"]["matrix"]["python"] == said
    assert project["requires-python"] == f">={said[0]}"
    extremes = JOBS["ci", "dependencies"]["strategy"]["matrix"]["include"]
    assert {e["dependencies"]: e["python"] for e in extremes} == {
        "oldest": said[0],
        "newest": said[-1],
    }


def test_what_is_newest_is_tested_every_week_and_by_hand() -> None:
    """The job runs the command of the documentation, and CI does not wait for it."""
    triggers = t.cast("dict[t.Any, t.Any]", WORKFLOWS["beyond"])[True]
    [[minute, hour, *days]] = [each["cron"].split() for each in triggers["schedule"]]
    assert minute.isdigit()
    assert hour.isdigit()
    assert days == ["*", "*", "3"]
    assert "workflow_dispatch" in triggers
    [command] = [s["run"] for s in JOBS["beyond", "beyond"]["steps"] if "run" in s]
    assert f"`{command}`" in PAGES["docs/development.md"]


def test_the_gate_waits_for_every_job() -> None:
    """One job stands for all of CI, and fails if any other job does not succeed."""
    jobs = WORKFLOWS["ci"]["jobs"]
    assert sorted(jobs["gate"]["needs"]) == sorted(jobs.keys() - {"gate"})
    assert jobs["gate"]["if"] == "always()"
    [step] = jobs["gate"]["steps"]
    for results, code in (
        ("success success", 0),
        ("success failure", 1),
        ("skipped success", 1),
    ):
        gate = ["bash", "-e", "-c", step["run"]]
        env = {"RESULTS": results}
        assert subprocess.run(gate, env=env, check=False).returncode == code


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_has_a_limit_and_no_more_rights_than_it_needs(
    workflow: str, job: str
) -> None:
    """Jobs have a time limit and can only read the code; publishing can do more."""
    settings = JOBS[workflow, job]
    assert settings["timeout-minutes"] <= 60
    rights = settings.get("permissions", WORKFLOWS[workflow]["permissions"])
    if (workflow, job) == ("release", "publish"):
        assert rights == {"id-token": "write"}
        assert settings["environment"] == "pypi"
    else:
        assert rights in ({"contents": "read"}, {})


def test_the_extract_is_given_its_secrets_by_name() -> None:
    """All values come from the repository, and the page names each of them."""
    page = PAGES["docs/scheduling.md"]
    [step] = [s for s in JOBS["extract", "extract"]["steps"] if "run" in s]
    for name, value in step["env"].items():
        kind = re.fullmatch(rf"\$\{{\{{ (secrets|vars)\.{name} \}}\}}", value)
        assert kind or name == "MELTANO_ENVIRONMENT"
        assert f"`{name}`" in page or not kind
        secret = re.search(r"TOKEN|KEY|SQLALCHEMY_URL", name) is not None
        assert secret is (kind is not None and kind[1] == "secrets")


def test_the_schedules_agree() -> None:
    """Meltano's schedule and the workflow use the same time and job."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    [schedule] = project["schedules"]
    # YAML 1.1 reads the key `on` as true.
    triggers = t.cast("dict[t.Any, t.Any]", WORKFLOWS["extract"])[True]
    assert triggers["schedule"] == [{"cron": schedule["interval"]}]
    assert "workflow_dispatch" in triggers
    assert schedule["job"] in {job["name"] for job in project["jobs"]}
