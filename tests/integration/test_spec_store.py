"""A store whose artifacts name modules of ``flow_sdk.spec``, by the commands of the present release.

``earlier_release/spec_store.tar.xz`` has a run of the flow file that lies in it, made by the last commit that had the
package, 98bc7b8, on Python 3.11.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from flow_sdk import FlowMutator, FlowSpec
from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.authoring.configs import Config, ConfigValue
from flow_sdk.client import Run, Task, metadata, namespace
from flow_sdk.errors import SerializationError

ARCHIVE = Path(__file__).parent / "earlier_release" / "spec_store.tar.xz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    metadata(str(tmp_path / "st"))
    namespace(None)
    return tmp_path


def test_the_artifacts_are_read(folder: Path) -> None:
    start, broken = Task("LegacyFlow/1/start/0").data, Task("LegacyFlow/1/broken/1").data
    assert type(start.section) is ConfigValue and start.section.b == 1
    assert type(broken.failure) is CaughtFailure and broken.failure.exception == "list index out of range"
    found = {decorator.name: decorator.attributes() for decorator in start.decorators}
    assert found["timeout"] == {"seconds": 300} and found["environment"] == {"vars": {"A": "1"}}
    assert {"catch", "environment", "secrets", "resources", "timeout", "retry"} == set(found)


def test_classes_that_were_stored_by_value_are_read(folder: Path) -> None:
    start = Task("LegacyFlow/1/start/0").data
    if sys.version_info[:2] != (3, 11):  # their code is that of Python 3.11
        with pytest.raises(SerializationError, match=r"3\.11"):
            _ = start.flow_class
        return
    assert issubclass(start.flow_class, FlowSpec) and issubclass(start.mutator, FlowMutator)
    assert type(vars(start.flow_class)["cfg"]) is Config
    assert [type(one).__name__ for one in start.flow_class.start.__flow_decorators__][:1] == ["RetryDecorator"]


def test_the_flow_file_runs_and_resumes_the_earlier_run(folder: Path) -> None:
    for number, words in enumerate((("run",), ("resume", "broken", "--origin-run-id", "1")), 2):
        done = subprocess.run(
            [sys.executable, "flow.py", "--datastore-root", str(folder / "st"), *words],
            cwd=folder,
            env={**os.environ, "FLOW_SDK_USER": "anne"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert Run(f"LegacyFlow/{number}").successful
    assert Task("LegacyFlow/3/start/0").origin_pathspec == "LegacyFlow/1/start/0"
