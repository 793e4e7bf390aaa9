"""Artifacts that are read somewhere else than where they were stored: by another Python, without a module, after a
change of a class, and by someone who trusts nobody."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from flow_sdk import client
from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.client.command_text import dump_lines, dump_values
from flow_sdk.errors import SerializationError
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.pickling.codecs import decode_value
from flow_sdk.store.records.model import ArtifactRef
from tests.conftest import ROOT
from tests.support.run_builder import Builder
from tests.unit.client.conftest import flow as flow  # the fixture

pytestmark = pytest.mark.slow  # starts processes or servers

WHERE = "Train/5/fit/0, artifact 'model'"


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    (tmp_path / "store").mkdir()
    return Artifacts(LocalStore(str(tmp_path / "store")))


def read(folder: Path, ref: ArtifactRef, before: str = "") -> str:
    """What a process of its own says when it loads an artifact."""
    script = (
        f"{before}\nfrom flow_sdk.errors import FlowSDKError\nfrom flow_sdk.store.artifacts import Artifacts\n"
        "from flow_sdk.store.records.model import ArtifactRef\nfrom flow_sdk.store.backends.local import LocalStore\n"
        f"try:\n    print(repr(Artifacts(LocalStore('store')).load({ref!r}, where={WHERE!r})))\n"
        "except FlowSDKError as error:\n    print(type(error).__name__, error, repr(error.__cause__))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
"""


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("module", ["numpy", "pandas"])
def test_a_library_that_is_not_installed(module: str, nested: bool, artifacts: Artifacts, tmp_path: Path) -> None:
    value: Any = np.arange(2000.0) if module == "numpy" else pytest.importorskip("pandas").Series(range(9))
    ref = artifacts.save({"layers": [value]} if nested else value, where="x")
    said = read(tmp_path, ref, WITHOUT.format(module=module))
    assert said.startswith(f"SerializationError An artifact needs the module '{module}") and WHERE in said
    assert "pip install" in said and "ModuleNotFoundError" in said


MODULE = "class Model:\n    def __init__(self):\n        self.depth = 3\n\ndef score():\n    return 1\n"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (MODULE, "<models_of_mine.Model object"),
        (MODULE.replace("Model", "Renamed"), "An artifact needs a class or function that isn't in its module here."),
        (None, "An artifact needs the module 'models_of_mine', which isn't installed here."),
        ("import nothing_of_that_name\n" + MODULE, "An artifact needs the module 'nothing_of_that_name'"),
        ("raise ValueError('broken while imported')", "An artifact can't be loaded."),
        ("def broken(:", "An artifact can't be loaded."),
        (MODULE + "Model = Model()", "An artifact can't be loaded."),
        (MODULE.replace(":", ":\n    __slots__ = ()", 1), "An artifact can't be loaded."),
        (
            MODULE + "class Model:\n    def __setstate__(self, state):\n        raise KeyError('x')\n",
            "can't be loaded.",
        ),
    ],
    ids=["same", "renamed", "gone", "needs more", "raises", "syntax", "no class", "no attributes", "another state"],
)
def test_a_class_that_moved(after: str | None, told: str, artifacts: Artifacts, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "models_of_mine.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import models_of_mine  # type: ignore[import-not-found]

    ref = artifacts.save([models_of_mine.Model()], where="x")
    monkeypatch.delitem(sys.modules, "models_of_mine")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    path.unlink()
    if after is not None:
        path.write_text(after)
    said = read(tmp_path, ref, "import sys; sys.path.insert(0, '.'); sys.dont_write_bytecode = True")
    assert told in said
    if after != MODULE:
        assert said.startswith("SerializationError") and WHERE in said and "help:" in said


def pythons() -> list[str]:
    """Other Pythons of the versions that are supported: on the path, or beside the one that runs here."""
    found = []
    for minor in (11, 12, 13):
        beside = sorted(Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python3.{minor}"))
        path = str(beside[-1]) if beside else shutil.which(f"python3.{minor}")
        if sys.version_info[1] == minor or path is None:
            continue
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            asked = [path, "-c", "import sys; print(*sys.version_info[:2])"]
            said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
            found += [path] if said.split() == ["3", str(minor)] else []
    return found


ENCODE = """
import json, sys
from flow_sdk.store.pickling.codecs import encode_value
class Kind:
    x = 1
values = [{"a": [1, 2.5, "ü", None]}, bytearray(b"x" * 5000), ValueError("x"), lambda: 1, Kind()]
print(json.dumps([(e.codec, b"".join(e.parts).hex()) for e in (encode_value(v, where="x") for v in values)]))
"""
DECODE = """
import json, sys
from flow_sdk.errors import FlowSDKError
from flow_sdk.store.pickling.codecs import decode_value
for codec, payload in json.load(sys.stdin):
    try:
        print(repr(decode_value(codec, bytes.fromhex(payload), where="Train/5/fit/0, artifact 'model'"))[:60])
    except FlowSDKError as error:
        print(str(error).replace(chr(10), " "))
"""


RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
"""What the first part of ENCODE has given under other Pythons: a dict, a bytearray, a lambda, an object of a class."""


@pytest.mark.parametrize("version", RECORDED)
def test_what_another_python_has_stored(version: str) -> None:
    def load(codec: str, payload: str) -> Any:
        return decode_value(codec, base64.b64decode(payload), where=WHERE)

    plain, raw, function, made = RECORDED[version]
    assert load(*plain) == {"a": [1, 2.5, "ü", None]} and load(*raw) == bytearray(b"x" * 50)
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        assert load(*function)() == 1 and load(*made).x == 1
        return
    for code in (function, made):
        with pytest.raises(SerializationError, match="stored by another Python") as caught:
            load(*code)
        assert f"Python {version}" in str(caught.value) and WHERE in str(caught.value)


@pytest.mark.parametrize("forth", [True, False], ids=["there to here", "here to there"])
@pytest.mark.parametrize("python", pythons() or [None])
def test_another_python(python: str, forth: bool, tmp_path: Path) -> None:
    # cloudpickle is pure Python: this interpreter's copy serves the other one.
    shutil.copytree(Path(cloudpickle.__file__).parent, tmp_path / "cloudpickle")
    # It may lack blake3, which isn't; any hash does for the name of a class that is in no file.
    (tmp_path / "blake3.py").write_text("from hashlib import blake2b as blake3\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}

    def call(which: str, script: str, given: str = "") -> str:
        done = subprocess.run(
            [which, "-c", script],
            env=environment,
            cwd=tmp_path,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    writer, reader = (python, sys.executable) if forth else (sys.executable, python)
    lines = call(reader, DECODE, call(writer, ENCODE)).splitlines()
    assert lines[0] == "{'a': [1, 2.5, 'ü', None]}" and lines[1].startswith("bytearray(b'xxx")
    assert lines[2] == "ValueError('x')"
    version = call(writer, "import sys; print('Python {}.{}'.format(*sys.version_info))").strip()
    for line in lines[3:]:
        assert "stored by another Python" in line and version in line and WHERE in line


def test_a_value_that_contains_itself_and_a_lock() -> None:
    import threading

    value: dict[str, Any] = {"list": []}
    value["list"].append(value)
    value["list"].append(types.SimpleNamespace(me=value, lock=threading.Lock()))
    with pytest.raises(SerializationError) as caught:
        Artifacts(MemoryStore()).save(value, where="step 'fit', artifact self.model")
    assert caught.value.where == "step 'fit', artifact self.model['list'][1].lock"


def test_deep_values_are_told_as_such() -> None:
    deep: Any = None
    for _ in range(2_000):
        deep = types.SimpleNamespace(next=deep)
    with pytest.raises(SerializationError, match="can't be stored") as caught:
        Artifacts(MemoryStore()).save({"tree": deep}, where="step 'fit', artifact self.model")
    assert "recursion" in str(caught.value)
    while deep is not None:  # or freeing it would recurse as deep
        deep = deep.next


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A value whose loading leaves a file; its path is beside it."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    yield Trap()
    client.safe_mode(False)


def test_safe_mode_springs_no_trap_by_any_way(trap: Any, flow: Builder, tmp_path: Path) -> None:
    client.safe_mode(True)
    values = {"evil": trap, "large": [trap, "x" * 9000], "text": "fine", "raw": b"fine"}
    flow.run(values={"evil": trap})
    items = flow.artifacts.save_items([trap, "x"], where="x")
    flow.commit("1", "start", values=values, items=items, next=("work",))
    flow.commit("1", "end", values=values)
    run, task = Run("Shapes/1"), Task("Shapes/1/start/0")
    for get in (
        lambda: task.data.evil,
        lambda: task.data.large,
        lambda: task["evil"].data,
        lambda: task.artifacts.evil.data,
        lambda: DataArtifact("Shapes/1/start/0/evil").data,
        lambda: DataArtifact("Shapes/1/start/0/large", attempt=0).data,
        lambda: run.data.evil,
        lambda: Step("Shapes/1/start").task.data.evil,
        lambda: Flow("Shapes").latest_run.data.evil,
        lambda: dump_values([task]),
    ):
        with pytest.raises(SerializationError, match="safe mode"):
            get()
    assert (task.data.text, task.data.raw, task["text"].data) == ("fine", b"fine", "fine")
    lines = list(dump_lines(task, private=True, max_value_size=10**6))
    assert any("safe mode" in line for line in lines if line.startswith("evil")) and "text [size" in "".join(lines)
    everything = (
        Metaflow(),
        Flow("Shapes"),
        run,
        Step("Shapes/1/start"),
        task,
        task.data,
        task.artifacts,
        task["evil"],
    )
    for item in everything:
        assert item._repr_html_() and repr(item)
    assert not (tmp_path / "sprung").exists()


def test_looking_springs_no_trap_without_safe_mode_either(trap: Any, flow: Builder, tmp_path: Path) -> None:
    flow.run(values={"evil": trap})
    flow.commit("1", "end", values={"evil": trap, "large": [trap, "x" * 9000]})
    task = Task("Shapes/1/end/0")
    for item in (Metaflow(), Flow("Shapes"), Run("Shapes/1"), Step("Shapes/1/end"), task, task.data, task.artifacts,
                 task["evil"]):  # fmt: skip
        assert item._repr_html_() and repr(item)
        assert list(dir(item))
    assert [one.id for one in task] == ["evil", "large"] and task["evil"].size and task.data._public_names()
    assert list(dump_lines(task, max_value_size=0))
    assert not (tmp_path / "sprung").exists()
    # The trap is one: asked for its value without safe mode, it springs.
    task.data.evil  # noqa: B018
    assert (tmp_path / "sprung").exists()


def test_a_forged_record_says_text_of_a_pickle(trap: Any, flow: Builder, tmp_path: Path) -> None:
    import dataclasses

    client.safe_mode(True)
    ref = flow.artifacts.save([trap, "x" * 9000], where="x")
    for codec in ("str", "bytes"):
        with contextlib.suppress(SerializationError, UnicodeDecodeError):
            flow.artifacts.load(dataclasses.replace(ref, codec=codec), where="x", safe=True)
    for codec in ("pickle", "cloudpickle", "", "Pickle", "bytes\0", "STR"):
        with pytest.raises(SerializationError):
            flow.artifacts.load(dataclasses.replace(ref, codec=codec), where="x", safe=True)
    assert not (tmp_path / "sprung").exists()
