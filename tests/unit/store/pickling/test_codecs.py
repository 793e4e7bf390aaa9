"""Codecs: values come back equal, the flow file's own classes come back everywhere, what can't is named."""

import dataclasses
import datetime
import decimal
import fractions
import os
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flow_sdk.errors import IntegrityError, SerializationError
from flow_sdk.store.artifacts import INLINE, Artifacts
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records.model import ArtifactRef

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture
def artifacts() -> Artifacts:
    return Artifacts(MemoryStore())


VALUES = [
    None,
    True,
    0,
    -(2**100),
    1.5,
    float("inf"),
    1j,
    "",
    "text",
    "\ud800 lone",
    "🎉\n$(id)",
    "x" * 5000,
    b"",
    b"bytes",
    b"x" * 5000,
    bytearray(b"abc"),
    [],
    [1, "a", None],
    (1, (2, (3,))),
    {"a": {"b": [1, 2]}},
    {1, 2, 3},
    frozenset([1]),
    range(10),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    decimal.Decimal("1.10"),
    fractions.Fraction(1, 3),
    Path("/a/b"),
    list(range(100_000)),
    slice(1, 2),
    os.path.join,
    dict,
    ValueError("x").args,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_round_trip(artifacts: Artifacts, value: object) -> None:
    ref = artifacts.save(value, where="step a, artifact x")
    found = artifacts.load(ref, where="x")
    assert found == value and type(found) is type(value)
    assert ref.type == f"{type(value).__module__}.{type(value).__qualname__}"
    assert (ref.inline is not None) == (ref.size <= INLINE)
    assert artifacts.save(value, where="x") == ref


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10),
        np.arange(1000.0),
        np.zeros((300, 400)),
        np.asfortranarray(np.arange(60_000.0).reshape(200, 300)),
        np.arange(100_000.0)[::3],
        np.array(["a", "bc"]),
        np.array([], dtype="float32"),
        np.arange(200_000).reshape(2, 100_000).T,
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_back_equal_writable_and_aligned(artifacts: Artifacts, array: Any) -> None:
    array.flags.writeable = True
    found = artifacts.load(artifacts.save(array, where="x"), where="x")
    assert np.array_equal(found, array) and found.dtype == array.dtype
    assert found.flags.writeable and found.flags.aligned
    if array.size and array.dtype.kind == "f":
        found += 1
        assert np.array_equal(artifacts.load(artifacts.save(array, where="x"), where="x"), array)


def test_a_read_only_array_stays_so(artifacts: Artifacts) -> None:
    array = np.arange(5000.0)
    array.flags.writeable = False
    assert not artifacts.load(artifacts.save(array, where="x"), where="x").flags.writeable


def test_data_frames(artifacts: Artifacts) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(5000), "b": np.random.default_rng(0).random(5000), "c": ["x", "y"] * 2500})
    found = artifacts.load(artifacts.save(frame, where="x"), where="x")
    pandas.testing.assert_frame_equal(found, frame)
    found.loc[0, "b"] = 7.0
    assert found.loc[0, "b"] == 7.0


def test_an_array_is_not_copied_on_its_way_out() -> None:
    from flow_sdk.store.pickling.codecs import encode_value

    array = np.arange(100_000.0)
    parts = encode_value(array, where="x").parts
    views = [part for part in parts if isinstance(part, memoryview)]
    assert [view.nbytes for view in views] == [array.nbytes]
    array[0] = 42.0
    assert views[0].cast("B").cast("d")[0] == 42.0


class Held:
    """Defined in an importable module: stored by name."""

    def __init__(self, value: object) -> None:
        self.value = value


class Slotted:
    __slots__ = ("inner",)


def test_what_cannot_be_stored_is_named_by_path_and_type(artifacts: Artifacts) -> None:
    model = types.SimpleNamespace(layers=[1, {"x": 2}, types.SimpleNamespace(lock=threading.Lock())])
    with pytest.raises(SerializationError) as caught:
        artifacts.save(model, where="step fit, artifact model")
    assert "step fit, artifact model.layers[2].lock" in str(caught.value)
    assert "_thread.lock" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), ""),
        ([1, threading.Lock()], "[1]"),
        ({"a": (1, threading.Lock())}, "['a'][1]"),
        ((n for n in ()), ""),
        (types.SimpleNamespace(file=open(os.devnull, "rb")), ".file"),  # noqa: SIM115
    ],
    ids=["itself", "list", "dict", "generator", "file"],
)
def test_paths_of_what_cannot_be_stored(artifacts: Artifacts, value: object, path: str) -> None:
    with pytest.raises(SerializationError) as caught:
        artifacts.save(value, where="artifact x")
    assert caught.value.where == f"artifact x{path}"


def test_a_slot_is_on_the_path(artifacts: Artifacts) -> None:
    value = Slotted()
    value.inner = [threading.Lock()]
    with pytest.raises(SerializationError) as caught:
        artifacts.save(value, where="artifact x")
    assert caught.value.where == "artifact x.inner[0]"


def test_a_value_without_end_is_refused(artifacts: Artifacts) -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(SerializationError, match="can't be stored"):
        artifacts.save(value, where="x")


def test_a_cycle_is_fine(artifacts: Artifacts) -> None:
    value: list[object] = [1]
    value.append(value)
    found = artifacts.load(artifacts.save(value, where="x"), where="x")
    assert found[1] is found


def test_an_error_while_being_stored_is_reported(artifacts: Artifacts) -> None:
    class Bad:
        def __getstate__(self) -> object:
            raise RuntimeError("boom")

    with pytest.raises(SerializationError, match="boom"):
        artifacts.save(Bad(), where="x")


def test_safe_mode_never_unpickles(artifacts: Artifacts) -> None:
    hit: list[int] = []

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.putenv, ("FLOW_SDK_TEST_TRAP", "1"))

    for value in (Trap(), [1], np.arange(5000.0)):
        ref = artifacts.save(value, where="x")
        with pytest.raises(SerializationError, match="safe mode"):
            artifacts.load(ref, where="x", safe=True)
    for value in ("text", b"bytes", "long" * 2000):
        assert artifacts.load(artifacts.save(value, where="x"), where="x", safe=True) == value
    assert hit == []


def test_inline_bytes_are_verified_too(artifacts: Artifacts) -> None:
    ref = artifacts.save([1, 2, 3], where="x")
    assert ref.inline is not None
    for position in range(len(ref.inline)):
        bad = bytearray(ref.inline)
        bad[position] ^= 1
        with pytest.raises(IntegrityError):
            artifacts.load(dataclasses.replace(ref, inline=bytes(bad)), where="x")
    with pytest.raises(IntegrityError):
        artifacts.load(dataclasses.replace(ref, size=ref.size + 1), where="x")


def test_a_missing_module_is_named(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("not_installed_there")
    kind = type("Thing", (), {"__module__": module.__name__})
    module.Thing = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ref = artifacts.save(kind(), where="x")
    assert ref.codec == "pickle"
    del module.Thing  # type: ignore[attr-defined]
    with pytest.raises(SerializationError, match="class or function") as caught:
        artifacts.load(ref, where="run 5, artifact x")
    assert "run 5, artifact x" in str(caught.value) and caught.value.__cause__ is not None
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(SerializationError, match="'not_installed_there'"):
        artifacts.load(ref, where="x")


def test_an_unknown_codec_is_of_a_newer_release(artifacts: Artifacts) -> None:
    ref = dataclasses.replace(artifacts.save("x", where="x"), codec="newest")
    with pytest.raises(SerializationError, match="'newest'"):
        artifacts.load(ref, where="x")


def test_code_of_another_python_is_refused(artifacts: Artifacts) -> None:
    ref = artifacts.save(lambda: 1, where="x")
    assert ref.codec == "cloudpickle" and ref.inline is not None
    from flow_sdk.store.blobs.blob import digest_of

    other = bytearray(ref.inline)
    other[5] += 1  # the minor version
    changed = dataclasses.replace(ref, inline=bytes(other), hash=digest_of([bytes(other)]).hex())
    with pytest.raises(SerializationError, match="another Python"):
        artifacts.load(changed, where="x")


def test_functions_and_lambdas(artifacts: Artifacts) -> None:
    factor = 3
    found = artifacts.load(artifacts.save([lambda n: n * factor, os.path.join], where="x"), where="x")
    assert found[0](4) == 12
    assert found[1] is os.path.join


def test_an_importable_class_is_stored_by_name(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or types.ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "Held", Held, raising=False)
    ref = artifacts.save(Held(1), where="x")
    assert ref.codec == "pickle"
    assert type(artifacts.load(ref, where="x")) is Held


FLOW = """
import abc, dataclasses, enum, json, sys, threading, typing

T = typing.TypeVar("T")
LOCK = threading.Lock()

class Color(enum.Enum):
    RED = 1
    GREEN = 2

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def moved(self, by):
        return Point(self.x + by, helper(self.y))

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

class Square(Shape):
    side = 2
    def area(self):
        return super().__class__ and self.side ** 2
    class Inner:
        pass

class Box(typing.Generic[T]):
    def __init__(self, content):
        self.content = content

class Locked:
    def area(self):
        with LOCK:
            return 7

def helper(y):
    return json.loads("1") + y

def make():
    return {
        "color": Color.GREEN, "point": Point(1, 2), "square": Square(), "inner": Square.Inner(),
        "box": Box([Color.RED]),
        "function": helper, "lambda": lambda v: helper(v), "class": Point, "numbers": list(range(500)),
    }
"""

RUN = """
import sys
NAME, STORE, FILE = sys.argv[1:4]
import importlib.util
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.pickling.codecs import register_flow_module
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.records.model import ArtifactRef
spec = importlib.util.spec_from_file_location(NAME, FILE)
flow = importlib.util.module_from_spec(spec)
sys.modules[NAME] = flow
spec.loader.exec_module(flow)
register_flow_module(NAME, flow)
artifacts = Artifacts(LocalStore(STORE))
"""
SAVE = RUN + "print(artifacts.save(flow.make(), where='x'))\n"
LOAD = """
value = artifacts.load(REF, where="x")
assert value["color"].name == "GREEN" and value["point"].moved(4).x == 5 and value["point"].moved(4).y == 3
assert value["square"].area() == 4 and value["lambda"](1) == 2 and value["function"](1) == 2
assert value["box"].content[0].value == 1 and value["class"] is type(value["point"])
assert value["color"] == type(value["color"])["GREEN"] and value["color"] is type(value["color"]).GREEN
again = artifacts.load(REF, where="x")
assert type(again["point"]) is type(value["point"]) and again["point"] == value["point"]
assert type(again["color"]) is type(value["color"]) and again["color"] is value["color"]
"""


def run(code: str, *args: object, cwd: object = None, seed: str = "0") -> str:
    env = {**os.environ, "PYTHONHASHSEED": seed}
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def flow_file(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "flow.py"
    path.write_text(FLOW)
    return path


def saved(tmp_path: Path, flow_file: Path, name: str = "__main_flow__", **options: Any) -> ArtifactRef:
    text = run(SAVE, name, tmp_path / "store", flow_file, **options)
    ref = eval(text)
    assert isinstance(ref, ArtifactRef) and ref.codec == "cloudpickle"
    return ref


@pytest.fixture
def stored(tmp_path: Path, flow_file: Path) -> ArtifactRef:
    (tmp_path / "store").mkdir()
    return saved(tmp_path, flow_file)


def test_flow_file_classes_load_where_the_file_is_not(tmp_path: Path, stored: ArtifactRef) -> None:
    code = (
        "from flow_sdk.store.artifacts import Artifacts\nfrom flow_sdk.store.records.model import ArtifactRef\n"
        "from flow_sdk.store.backends.local import LocalStore\n"
        f"artifacts = Artifacts(LocalStore({str(tmp_path / 'store')!r}))\nREF = {stored!r}\n{LOAD}"
        "copy = artifacts.load(artifacts.save(value, where='x'), where='x')\n"
        "assert type(copy['point']) is type(value['point']) and copy['color'] is value['color']\n"
    )
    run(code, cwd=tmp_path)


def test_flow_file_classes_are_the_steps_own_where_the_file_is(
    tmp_path: Path, flow_file: Path, stored: ArtifactRef
) -> None:
    code = (
        f"{RUN}\nREF = {stored!r}\n{LOAD}\n"
        "assert isinstance(value['point'], flow.Point) and value['color'] is flow.Color.GREEN\n"
        "assert value['function'] is flow.helper and isinstance(value['inner'], flow.Square.Inner)\n"
        "assert isinstance(value['box'], flow.Box)\n"
        "del value['lambda']\n"
        "assert all(artifacts.save(v, where='x') == artifacts.save(flow.make()[k], where='x')"
        " for k, v in value.items())\n"
    )
    run(code, "other_name", tmp_path / "store", flow_file)


def test_the_same_value_gives_the_same_bytes_in_every_process(
    tmp_path: Path, flow_file: Path, stored: ArtifactRef
) -> None:
    elsewhere = tmp_path / "elsewhere" / "deeper"
    elsewhere.mkdir(parents=True)
    copy = elsewhere / "flow.py"
    copy.write_text(FLOW)
    assert saved(tmp_path, flow_file, seed="1").hash == stored.hash
    assert saved(tmp_path, copy, seed="2", cwd=elsewhere).hash == stored.hash
    assert saved(tmp_path, flow_file, name="another_name", seed="3").hash == stored.hash


def test_after_a_fix_and_a_resume_the_mended_class_is_used(
    tmp_path: Path, flow_file: Path, stored: ArtifactRef
) -> None:
    flow_file.write_text(FLOW.replace("side = 2", "side = 1 + 2"))  # another size, or Python may take its cached file
    code = f"{RUN}\nREF = {stored!r}\nassert artifacts.load(REF, where='x')['square'].area() == 9\n"
    run(code, "__main_flow__", tmp_path / "store", flow_file)


def test_another_flow_files_class_of_the_same_name_is_another(
    tmp_path: Path, flow_file: Path, stored: ArtifactRef
) -> None:
    other = flow_file.with_name("other.py")
    other.write_text(FLOW.replace("side = 2", "side = 1 + 2"))  # another size, or Python may take its cached file
    code = (
        f"{RUN}\nREF = {stored!r}\nvalue = artifacts.load(REF, where='x')\n"
        "assert value['square'].area() == 4 and not isinstance(value['square'], flow.Square)\n"
    )
    run(code, "__main_flow__", tmp_path / "store", other)


def test_a_class_that_cannot_go_by_value_goes_by_name(tmp_path: Path, flow_file: Path) -> None:
    (tmp_path / "store").mkdir()
    save = RUN + "print(artifacts.save(flow.Locked(), where='x'))\n"
    ref = eval(run(save, "__main_flow__", tmp_path / "store", flow_file))
    assert ref.codec == "pickle"
    load = f"{RUN}\nassert artifacts.load({ref!r}, where='x').area() == 7\n"
    run(load, "__main_flow__", tmp_path / "store", flow_file)
    with pytest.raises(SerializationError, match="its flow file"):
        Artifacts(LocalStore(str(tmp_path / "store"))).load(ref, where="x")


def test_bytes_by_hash(artifacts: Artifacts) -> None:
    for data in (b"", b"plan", os.urandom(3 << 20)):
        digest = artifacts.put_bytes(data)
        assert artifacts.put_bytes(data) == digest
        assert artifacts.get_bytes(digest, where="plan") == data


def test_a_flow_file_that_takes_the_place_of_main_later_is_known(tmp_path: Path, flow_file: Path) -> None:
    # As in a worker: the process starts as another program, then runs the flow file as __main__.
    code = (
        "import sys, types\nfrom flow_sdk.store.pickling.codecs import encode_value\nclass Early: pass\n"
        "encode_value(Early(), where='x')\n"
        f"module = types.ModuleType('__main__')\nmodule.__file__ = {str(flow_file)!r}\n"
        "sys.modules['__main__'] = module\n"
        "exec(compile(open(module.__file__).read(), module.__file__, 'exec'), module.__dict__)\n"
        "from flow_sdk.store.pickling.flow_modules import origin_of\n"
        "assert origin_of(module.Point)[0] == 'flow.py', origin_of(module.Point)\n"
    )
    (tmp_path / "early.py").write_text(code)
    env = dict(os.environ)
    subprocess.run([sys.executable, str(tmp_path / "early.py")], check=True, env=env)
