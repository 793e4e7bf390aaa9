"""The registry of deploy targets: those of Flow SDK, and those that other distributions offer."""

from pathlib import Path

import pytest

from flow_sdk.deploy.port import DeployTarget
from flow_sdk.deploy.registry import (
    BUILT_IN,
    built_in_targets,
    find_python_target,
    find_target,
    offered_names,
    target_names,
)
from flow_sdk.errors import UsageError
from flow_sdk.testing.fake_target import FAKE, FakeTarget
from tests.support.offered_target import install_target


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


MUTE = Mute()

pytestmark = pytest.mark.slow  # starts processes or servers


def test_the_targets_of_flow_sdk() -> None:
    assert [target.name for target in built_in_targets()] == list(BUILT_IN) == ["airflow", "step-functions"]
    for target in built_in_targets():
        assert find_target(target.name) is target
        loaded = target.load_target()
        assert isinstance(loaded, DeployTarget) and loaded.declaration is target
    assert find_target("fake") is None and offered_names() == []


def test_a_target_of_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(install_target(tmp_path)))
    assert offered_names() == ["fake"]
    assert find_target("fake") is FAKE and isinstance(FAKE.load_target(), FakeTarget)
    assert target_names() == ["airflow", "step-functions", "fake"]


def test_a_distribution_cant_replace_a_target_of_flow_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(install_target(tmp_path, "airflow = flow_sdk.testing.fake_target:FAKE")))
    assert [find_target(name).title for name in target_names()] == ["Airflow", "Step Functions"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("other = flow_sdk.testing.fake_target:FAKE", "isn't one"),
        ("other = flow_sdk.testing.fake_target:FakeTarget", "isn't one"),
        ("other = flow_sdk.testing.fake_target:MISSING", "can't be loaded"),
        ("other = no_such_module:TARGET", "No module named 'no_such_module'"),
        (f"other = {__name__}:MUTE", "an object of the class Mute"),
        ("other = module_that_exits:TARGET", "SystemExit: 7"),
    ],
)
def test_what_is_offered_and_isnt_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, text: str
) -> None:
    monkeypatch.syspath_prepend(str(install_target(tmp_path, line)))
    (tmp_path / "module_that_exits.py").write_text("import sys\nsys.exit(7)\n")
    with pytest.raises(UsageError, match="deploy target other") as no:
        find_target("other")
    assert text in str(no.value) and "flow_sdk.deploy_targets" in str(no.value)


def test_a_target_that_cant_be_loaded_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("a-broken = no_such_module:TARGET", "fake = flow_sdk.testing.fake_target:FAKE")
    monkeypatch.syspath_prepend(str(install_target(tmp_path, *lines)))
    assert target_names() == ["airflow", "step-functions", "a-broken", "fake"]
    assert find_python_target("fake") is FAKE and find_python_target("step_functions") is find_target("step-functions")
    assert find_python_target("nowhere") is None
    with pytest.raises(UsageError, match="a-broken can't be loaded"):
        find_python_target("a_broken")
