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

from flow_sdk.runtime import randomness
from flow_sdk.runtime.preload import names_imported


def test_the_names_of_the_top_level() -> None:
    source = """
import a, b.c as d
from e.f import g, h
from . import near
from .near import value
if TYPE_CHECKING:
    import i
try:
    import j
except ImportError:
    import k
else:
    import l
finally:
    import m
with x:
    import n
class Klass:
    import o
    def method(self):
        import hidden
def function():
    import hidden
async def other():
    import hidden
value = lambda: __import__("hidden")
for q in r:
    import s
"""
    found = list(names_imported(ast.parse(source)))
    assert found == ["a", "b.c", "e.f", "e.f.g", "e.f.h", *"ijklmnos"]


LOOK = """
import importlib.util, json, sys
from flow_sdk.runtime.preload import preload
names = sys.argv[1:]
loaded = {name: importlib.util.find_spec(name).origin for name in names}
excluded, generators = preload(names, loaded, set())
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
    names = ("numpy.random", "found") if "NumPy" in what or "seeded" in what else ("found",)
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
