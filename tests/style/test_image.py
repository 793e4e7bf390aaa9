"""The image in which tasks run, as its Dockerfile says: small, not root, pinned, made of nothing but the SDK."""

import importlib.metadata
import re
import tomllib

from flow_sdk.runtime.batch.definition import COMMAND
from tests.style.tree import ROOT

DOCKER = ROOT / "docker"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines if line.strip()]


def pins() -> dict[str, str]:
    lines = (DOCKER / "requirements.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return dict(line.split("==") for line in lines)


def needed(name: str) -> set[str]:
    """A distribution and all it needs, on the Python of the image."""
    from packaging.requirements import Requirement

    environment = {"python_version": "3.11", "python_full_version": "3.11.14", "extra": ""}
    found = {name}
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found |= needed(requirement.name.lower())
    return found


def test_it_isnt_root_and_stays_so() -> None:
    found = instructions()
    last = len(found) - [name for name, _ in reversed(found)].index("FROM") - 1
    users = [what for name, what in found[last:] if name == "USER"]
    assert users and all(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) for user in users)
    assert "RUN" not in [name for name, _ in found[found.index(("USER", users[0])) :]]


def test_its_base_is_pinned_and_one_that_we_support() -> None:
    (base,) = (what.removeprefix("BASE=") for name, what in instructions() if name == "ARG")
    version = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    assert version is not None and 11 <= int(version[1]) < 14
    assert {what.split()[0] for name, what in instructions() if name == "FROM"} == {"${BASE}"}


def test_it_holds_exactly_what_the_sdk_needs_as_locked() -> None:
    locked = dict(
        line.split(" ;")[0].split("==")
        for line in (ROOT / "requirements" / "airflow3.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = set().union(*(needed(re.split("[>=<]", text)[0]) for text in project["dependencies"]))
    assert pins() == {name: locked[name] for name in wanted}


def test_no_tool_is_left_and_nothing_is_fetched_unpinned() -> None:
    found = instructions()
    final = [what for name, what in found[[name for name, _ in found].index("COPY") :] if name == "RUN"][-1]
    assert "pip uninstall" in final and "apt-get" not in str(found) and "curl" not in str(found)
    assert all("--no-deps" in what for name, what in found if name == "RUN" and "pip install" in what)
    assert not [what for name, what in found if name == "ADD"]


def test_its_command_is_that_of_every_job() -> None:
    import json

    (command,) = (what for name, what in instructions() if name == "CMD")
    assert tuple(json.loads(command)) == COMMAND
    assert "ENTRYPOINT" not in [name for name, _ in instructions()]  # a job's command would become its arguments


def test_nothing_else_of_the_checkout_reaches_the_engine() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {"!docker/requirements.txt", "!flow_sdk"}
    copied = [what.split()[0] for name, what in instructions() if name == "COPY" and "--from" not in what]
    assert copied == ["docker/requirements.txt", "flow_sdk"]
