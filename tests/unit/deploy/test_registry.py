"""The registry of deploy targets: those of Flow SDK, and those that other distributions offer."""

from pathlib import Path

import pytest

from flow_sdk.deploy.port import DeployTarget
from flow_sdk.deploy.registry import BUILT_IN, all_targets, built_in_targets, find_target, offered_names
from flow_sdk.errors import UsageError
from flow_sdk.testing.fake_target import FAKE, FakeTarget
from tests.support.offered_target import install_target

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
    assert [target.name for target in all_targets()] == ["airflow", "step-functions", "fake"]


def test_a_distribution_cant_replace_a_target_of_flow_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(install_target(tmp_path, "airflow = flow_sdk.testing.fake_target:FAKE")))
    assert [target.title for target in all_targets()] == ["Airflow", "Step Functions"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("other = flow_sdk.testing.fake_target:FAKE", "isn't one"),
        ("other = flow_sdk.testing.fake_target:FakeTarget", "isn't one"),
        ("other = flow_sdk.testing.fake_target:MISSING", "can't be loaded"),
        ("other = no_such_module:TARGET", "No module named 'no_such_module'"),
    ],
)
def test_what_is_offered_and_isnt_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, text: str
) -> None:
    monkeypatch.syspath_prepend(str(install_target(tmp_path, line)))
    with pytest.raises(UsageError, match="deploy target other") as no:
        find_target("other")
    assert text in str(no.value) and "flow_sdk.deploy_targets" in str(no.value)
