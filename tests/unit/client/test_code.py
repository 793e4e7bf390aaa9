"""The code package of a run."""

import os
import pickle
from pathlib import Path

from flow_sdk.client import Run, Task
from flow_sdk.store.package.archive import build_archive
from tests.support.run_builder import Builder


def test_the_files_a_run_was_started_with(flow: Builder, tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text("# the flow: ü\n", encoding="utf-8")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "extra.py").write_text("x = 1\n")
    package = flow.artifacts.put_bytes(build_archive(str(tmp_path)))
    flow.run(package=package)
    flow.commit("1", "start")
    code = Run("Shapes/1").code
    assert code is not None
    assert repr(code) == "<Code: shapes.py>"
    assert code.script_name == "shapes.py"
    assert code.flowspec == "# the flow: ü\n"
    assert code.info == {"script": "shapes.py", "sha": package}
    assert code.path.startswith("memory://") and code.path.endswith(package)
    assert "lib/extra.py" in code.tarball.getnames()
    with code.extract() as folder:
        assert sorted(os.listdir(folder)) == ["lib", "shapes.py"]
    assert not os.path.exists(folder)
    task = pickle.loads(pickle.dumps(Task("Shapes/1/start/0")))
    assert task.code.flowspec == code.flowspec
    assert task.metadata_dict["code-package"] == package
