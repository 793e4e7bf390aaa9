"""What all tests share: the environments some need, a clean environment, options."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.guardian import start_guardian

pytest_plugins = ["tests.support.fault_selection", "tests.support.emulated_clouds"]

ROOT = Path(__file__).resolve().parent.parent
# A script's background job has SIGINT ignored, one under nohup SIGHUP: and so would every process the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TESTS = Path(__file__).resolve().parent
FOLDERS_OF_PROCESSES = ("integration", "security", "soak", "style")
"""Folders whose tests have the marker ``processes``: they start whole processes and wait for them."""

INTERPRETERS = {"airflow3": "FLOW_TEST_AIRFLOW3", "airflow2": "FLOW_TEST_AIRFLOW2"}
NEEDED = {
    **INTERPRETERS,
    "step_functions": "FLOW_TEST_LOCALSTACK",
    "node": "FLOW_TEST_NODE_MODULES",
    "azure": "FLOW_TEST_AZURITE",
    "gcs": "FLOW_TEST_FAKE_GCS",
    "containers": "FLOW_TEST_CONTAINERS",
    "kubernetes": "FLOW_TEST_KUBERNETES",
    "terraform": "FLOW_TEST_TERRAFORM_PLUGINS",
    "zsh": "FLOW_TEST_ZSH",
    "fish": "FLOW_TEST_FISH",
}
"""Markers, and the variable that says where what the marked tests need is."""

NEEDED_IN_CI = ("airflow3", "airflow2", "step_functions", "azure")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing")
    parser.addoption("--seeds", type=int, default=0, help="how many random flows to compare beyond the fixed ones")


def pytest_configure() -> None:
    start_guardian()


def interpreter(line: str) -> str | None:
    """Return the Python with Airflow 3.3 ("airflow3") or 2.11 ("airflow2"), or None when there is none."""
    return os.environ.get(INTERPRETERS[line]) or None


def pytest_report_header() -> list[str]:
    left_out = [f"{marker} ({name} isn't set)" for marker, name in NEEDED.items() if not os.environ.get(name)]
    return [f"left out: {', '.join(left_out)}"] if left_out else []


def check_whole(left_out: list[pytest.Item]) -> None:
    """Refuse to pass for the whole suite without the tests on Airflow, Step Functions and the emulated clouds.

    Raises
    ------
    pytest.UsageError
        If some are left out; says which variables aren't set.
    """
    lacking = [
        f"{NEEDED[marker]} (for {len(tests)} tests)"
        for marker in NEEDED_IN_CI
        if not os.environ.get(NEEDED[marker]) and (tests := [t for t in left_out if t.get_closest_marker(marker)])
    ]
    if lacking:
        raise pytest.UsageError(f"CI is set, but not {', '.join(lacking)}: nothing of these is left out in CI")


@pytest.hookimpl(tryfirst=True)  # before -m chooses by markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their folder; leave out, and count as such, the tests of what isn't installed here."""
    for item in items:
        if TESTS in item.path.parents and item.path.relative_to(TESTS).parts[0] in FOLDERS_OF_PROCESSES:
            item.add_marker("processes")
    missing = [marker for marker, name in NEEDED.items() if not os.environ.get(name)]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in missing)]
    if os.environ.get("CI"):
        check_whole(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    # One Airflow runs at a time (`airflow_servers`), and none while there is no need for it.
    items.sort(key=lambda item: (item.get_closest_marker("airflow2") is not None, "airflows" in item.fixturenames))


@pytest.fixture
def airflow_python(request: pytest.FixtureRequest) -> str:
    """The interpreter of the Airflow line that the test is marked with."""
    for line in INTERPRETERS:
        if request.node.get_closest_marker(line):
            python = interpreter(line)
            assert python is not None, f"{INTERPRETERS[line]} isn't set"
            return python
    raise LookupError("mark the test with airflow3 or airflow2")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew (``--regenerate``)."""
    return bool(request.config.getoption("--regenerate"))


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting, credential or home of the person who runs the tests reaches a test."""
    for name in list(os.environ):
        if name.startswith(("FLOW_SDK_", "METAFLOW_", "AWS_", "AIRFLOW_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_")):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "tester")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "provider" / "src")]))
    yield


@contextmanager
def _restored() -> Iterator[None]:
    from flow_sdk.client import context

    choice, before = context._choice, dict(vars(context._choice))
    yield
    vars(choice).update(before)


@pytest.fixture(scope="module", autouse=True)
def choice_of_module() -> Iterator[None]:
    """The namespace and the store that a module chooses are no other module's."""
    with _restored():
        yield


@pytest.fixture(autouse=True)
def choice_of_test(choice_of_module: None) -> Iterator[None]:
    """The namespace and the store that a test chooses are no other test's."""
    with _restored():
        yield
