"""What is imported before tasks are forked, and what keeps a module from it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flow_sdk.runtime.local import randomness
from flow_sdk.runtime.local.early_imports import imports_before_effects

pytestmark = pytest.mark.slow  # starts processes or servers

BEFORE = {
    "imports": ("import a, b.c as d\nfrom e.f import g", ["a", "b.c", "e.f", "e.f.g"]),
    "definitions": (
        "'A text.'\nfrom __future__ import annotations\nNAMES = ['x', -1, {**A.b}]\nn: int\n"
        "def f(x=1) -> list[int]:\n    call()\nasync def g(): call()\n"
        "@dataclass(frozen=True)\nclass K(Base):\n    'Text'\n    import a\n    X = 1\n"
        "    @property\n    def x(self): call()\nL = lambda: call()\nimport b",
        ["__future__", "__future__.annotations", "a", "b"],
    ),
    "branches": (
        "if sys.version_info > (3,):\n    import a\nelse:\n    import b\n"
        "try:\n    import c\nexcept ImportError:\n    raise SystemExit(call())\nelse:\n    import d\n"
        "finally:\n    import e\nif TYPE_CHECKING:\n    import f\nimport g",
        ["a", "b", "c", "d", "e", "g"],
    ),
    "a logger": ("import logging\nLOG = logging.getLogger(__name__)\nimport a", ["logging", "a"]),
    "the main guard": ("import a\nif __name__ == '__main__':\n    import b\nimport c", ["a"]),
    "own modules": ("import near\nimport parts.deep\nfrom parts import other\nimport far", ["n", "p", "p.d", "d", "o"]),
}
EFFECTS = (
    "call()", "x = call()", "os.environ['X'] = '1'", "json.dumps = None", "x += [1]", "del x", "with x:\n    pass",
    "for x in y:\n    pass", "while x:\n    pass", "if call():\n    pass", "if x:\n    call()",
    "try:\n    call()\nexcept E:\n    pass", "def f(x=call()): pass", "@register\ndef f(): pass",
    "class K(make()): pass", "class K:\n    x = call()", "class K(metaclass=meta()): pass", "[call() for x in y]",
    "assert call()", "x: T = call()", "x, y.z = 1, 2", "import effect", "import extension", "from parts import effect",
)  # fmt: skip


def names_before(text: str, folder: Path) -> list[str]:
    own = {}
    files = {
        "near": "import n\nimport near",
        "parts": "import p\nfrom p import d",
        "parts.deep": "import d\nfrom . import deep, other\nfrom .deep import missing",
        "parts.other": "import o",
        "parts.effect": "call()",
        "effect": "import e\ncall()\nimport never",
    }
    for name, source in files.items():
        file = folder / (f"{name.replace('.', '/')}.py" if name != "parts" else "parts/__init__.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        own[name] = str(file)
    own["extension"] = str(folder / "extension.so")
    return imports_before_effects(ast.parse(text), "", imported=False, own=own)


@pytest.mark.parametrize("what", BEFORE)
def test_imports_before_effects_are_found(tmp_path: Path, what: str) -> None:
    text, names = BEFORE[what]
    found = [name for name in names_before(text, tmp_path) if not name.startswith(("parts.", "far"))]
    assert list(dict.fromkeys(found)) == names


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_is_imported_after_an_effect_is_left_to_tasks(tmp_path: Path, effect: str) -> None:
    found = names_before(f"import before\n{effect}\nimport after", tmp_path)
    assert "before" in found and "after" not in found and "never" not in found


LOOK = """
import importlib.util, json, sys
from flow_sdk.runtime.local.preload import preload_modules
names = sys.argv[1:]
loaded = {name: importlib.util.find_spec(name).origin for name in names}
excluded, generators = preload_modules(names, loaded, set())
print(json.dumps([excluded.name if excluded else None, excluded.reason if excluded else "", len(generators)]))
"""

MODULES = {
    "nothing": ("import json, logging, random\nVALUE = 1", ""),
    "a thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "thread",
    ),
    "a pool": (
        "from concurrent.futures import ThreadPoolExecutor as P\nP_ = P(1)\nP_.submit(len, '').result()",
        "thread",
    ),
    "a process": ("import subprocess\nCHILD = subprocess.Popen(['sleep', '20'])", "process"),
    "a file": ("FILE = open(__file__)", "open"),
    "a socket": ("import socket\nSOCKET = socket.socket()", "open"),
    "a pipe": ("import os\nENDS = os.pipe()", "open"),
    "a temporary folder": ("import tempfile\nFOLDER = tempfile.mkdtemp()", "temporary file"),
    "an exit function": ("import atexit\natexit.register(len, 'bye')", "exit function"),
    "a finalizer": ("import os, weakref\nclass K: pass\nk = K()\nweakref.finalize(k, os.remove, 'x')", "exit function"),
    "a uuid": ("import uuid\nNAME = uuid.uuid4()", "draws random bytes"),
    "a token": ("import secrets\nTOKEN = secrets.token_bytes()", "draws random bytes"),
    "a seed": ("import random\nrandom.seed(3)", "seeds the generator"),
    "a NumPy seed": ("import numpy as np\nnp.random.seed(3)", "numpy.random"),
    "a used generator": ("import random\nR = random.Random()\nX = R.random()", "generator of its own"),
    "a used NumPy generator": ("import numpy as np\nX = np.random.default_rng().random()", "generator of its own"),
    "a lock": ("import multiprocessing\nLOCK = multiprocessing.get_context('fork').Lock()", "multiprocessing"),
    "memory": ("import mmap\nPAGE = mmap.mmap(-1, 8)", "memory that processes share"),
    "a process id": ("import os\nOWNER = os.getpid()", "asks for its process id in"),
    "a time-based uuid": ("import uuid\nNAME = uuid.uuid1()", "draws a UUID in"),
    "a folder": ("import os\nos.chdir('/')", "changes the current folder"),
    "a search path": ("import sys\nsys.path.insert(0, '/nowhere')", "changes sys.path"),
    "an own mapping": ("import mmap\nPAGE = mmap.mmap(-1, 8, flags=mmap.MAP_PRIVATE)", ""),
    "a log": ("import logging\nlogging.warning('logging asks for the process id')", ""),
    "NumPy that it loads itself": ("import numpy as np\nnp.random.seed(3)", "numpy.random"),
    "a generator of the NumPy that it loads": ("import numpy as np\nX = np.random.default_rng().random()", "generator"),
    "an error": ("raise RuntimeError('not here')", "fails outside of the flow (RuntimeError: not here)"),
    "an exit": ("import sys\nsys.exit(4)", "fails outside of the flow (SystemExit: 4)"),
    "a module of the user's": ("import users_own", "your module users_own"),
    "a generator": ("import random\nR = random.Random()", ""),
    "a NumPy generator": ("import numpy as np\nR = np.random.default_rng()\nO = np.random.RandomState()", ""),
    "a seeded generator": ("import random, numpy as np\nR = random.Random(1)\nN = np.random.default_rng(1)", ""),
}
KEPT = {"a generator": 1, "a NumPy generator": 2}
"""How many generators are to be seeded anew."""


@pytest.mark.parametrize("what", MODULES)
def test_what_keeps_a_module_from_being_imported_before_the_fork(tmp_path: Path, what: str) -> None:
    code, reason = MODULES[what]
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "found.py").write_text(code)
    (tmp_path / "users_own.py").write_text("")
    path = os.pathsep.join(filter(None, (str(installed), str(tmp_path), os.environ.get("PYTHONPATH"))))
    names = ("found",)
    command = [sys.executable, "-c", LOOK, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path})
    name, found, generators = json.loads(done.stdout.splitlines()[-1])
    assert (name == "found") == bool(reason) and reason in found, found
    assert generators == KEPT.get(what, 0)


def test_every_generator_that_is_known_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[Any] = []
    standin, unloaded = ModuleType("standin"), "never loaded"
    monkeypatch.setattr(randomness, "GENERATORS", {"standin": renewed.append, unloaded: renewed.append})
    randomness.renew_generators(modules={"standin": standin})
    assert renewed == [standin]


def test_generators_that_packages_made_are_renewed() -> None:
    import random

    numpy = pytest.importorskip("numpy")
    made = [random.Random(1), numpy.random.default_rng(1), numpy.random.RandomState(1)]
    drawn = []
    for _ in range(2):
        randomness.renew_generators(made, modules={"numpy.random": numpy.random})
        drawn.append([made[0].random(), made[1].random(), made[2].random_sample(), numpy.random.random()])
    assert not set(drawn[0]) & set(drawn[1])
    assert isinstance(made[1].bit_generator, numpy.random.PCG64)
    numpy.random.seed(7)
    assert numpy.random.random() == numpy.random.RandomState(7).random_sample()


def test_torch_draws_others_after_it_is_renewed() -> None:
    torch = pytest.importorskip("torch")
    drawn = set()
    for _ in range(2):
        torch.manual_seed(1)
        randomness.renew_generators(modules={"torch": torch})
        drawn.add(int(torch.randint(2**62, (1,))))
    assert len(drawn) == 2


@pytest.mark.parametrize(("thread", "kept_out"), [("jemalloc_bg_thd", False), ("jemalloc", True)])
def test_a_thread_of_an_allocator_that_handles_forks_is_no_hindrance(
    tmp_path: Path, thread: str, kept_out: bool
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "arrows.py").write_text(f"""
import threading
ready = threading.Event()
def work():
    with open(f"/proc/self/task/{{threading.get_native_id()}}/comm", "w") as file:
        file.write({thread!r})
    ready.set()
    threading.Event().wait()
threading.Thread(target=work, daemon=True).start()
ready.wait()
""")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", LOOK, "arrows"], env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)[0] == ("arrows" if kept_out else None)
