"""What can't be stored: one clear cause for each, with step, path and type; what can is stored."""

import asyncio
import contextlib
import ctypes
import io
import mmap
import os
import queue
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from flow_sdk.errors import SerializationError
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore

pytestmark = pytest.mark.slow  # starts processes or servers

WHERE = "step 'fit', artifact self.model"


class Tensor:
    """As a tensor on a device that can't be read: its reduce raises."""

    def __reduce__(self) -> Any:
        raise RuntimeError("can't convert cuda:0 device type tensor to numpy")


class Odd:
    """Its reduce returns what pickle doesn't understand."""

    def __reduce__(self) -> Any:
        return 5


class Silent:
    """An error without any text."""

    def __getstate__(self) -> Any:
        raise ValueError


class Hostile:
    """Attributes and text of its own that raise while the culprit is looked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Mute:
    def __reduce__(self) -> Any:
        raise Unprintable


def generator() -> Iterator[int]:
    yield 1


def closure_over(value: object) -> Callable[[], object]:
    return lambda: value


def module() -> types.ModuleType:
    made = types.ModuleType("made_here")
    made.lock = threading.Lock()  # type: ignore[attr-defined]
    return made


def frame() -> types.FrameType:
    return sys._getframe()


def failed() -> types.TracebackType:
    try:
        raise ValueError
    except ValueError as error:
        assert error.__traceback__ is not None
        return error.__traceback__


async def coroutine() -> None:
    pass


ZOO: dict[str, tuple[Callable[[], object], str]] = {
    "lock": (threading.Lock, "_thread.lock"),
    "recursive lock": (threading.RLock, "_thread.RLock"),
    "event": (threading.Event, "_thread.lock"),
    "condition": (threading.Condition, "_thread.RLock"),
    "thread": (lambda: threading.Thread(target=print), "_thread"),
    "thread's own": (threading.local, "_thread._local"),
    "pool": (lambda: ThreadPoolExecutor(1), ""),
    "queue": (queue.Queue, "_thread.lock"),
    "simple queue": (queue.SimpleQueue, "_queue.SimpleQueue"),
    "socket": (socket.socket, "socket.socket"),
    "poll": (select.poll, "select.poll"),
    "file": (lambda: open(os.devnull), "_io.TextIOWrapper"),  # noqa: SIM115
    "raw file": (lambda: open(os.devnull, "rb", buffering=0), "_io.FileIO"),  # noqa: SIM115
    "database": (lambda: sqlite3.connect(":memory:"), "sqlite3.Connection"),
    "cursor": (lambda: sqlite3.connect(":memory:").cursor(), "sqlite3.Cursor"),
    "process": (lambda: subprocess.Popen([sys.executable, "-c", ""]), ""),
    "generator": (generator, "builtins.generator"),
    "generator expression": (lambda: (n for n in ()), "builtins.generator"),
    "coroutine": (lambda: coroutine(), "builtins.coroutine"),
    "context manager": (lambda: contextlib.contextmanager(generator)(), "builtins.generator"),
    "event loop": (asyncio.new_event_loop, ""),
    "frame": (frame, "builtins.frame"),
    "traceback": (failed, "builtins.traceback"),
    "memory map": (lambda: mmap.mmap(-1, 10), "mmap.mmap"),
    "pointer": (lambda: ctypes.pointer(ctypes.c_int(1)), "LP_c_int"),
    "C function": (lambda: ctypes.CDLL(None).getpid, "_FuncPtr"),
    "weak reference": (lambda: weakref.ref(Tensor), "ReferenceType"),
    "weak dictionary": (weakref.WeakValueDictionary, ""),
    "lambda over a lock": (lambda: closure_over(threading.Lock()), "_thread.lock in the attribute"),
    "lambda over a file": (lambda: closure_over(open(os.devnull)), "_io.TextIOWrapper in the attribute"),  # noqa: SIM115
    "partial over a socket": (lambda: __import__("functools").partial(print, socket.socket()), "socket.socket"),
    "method of a lock": (lambda: threading.Lock().acquire, "builtin_function_or_method"),
    "module with a lock": (module, "_thread.lock in the attribute"),
    "tensor": (Tensor, "Tensor"),
    "reduce of nonsense": (Odd, "Odd"),
    "error without text": (Silent, "Silent"),
    "error that can't be shown": (Mute, "Mute"),
    "hostile": (Hostile, "_thread.lock"),
    "standard output": (lambda: io.TextIOWrapper(io.BufferedWriter(io.FileIO(os.devnull, "w"))), "TextIOWrapper"),
}


@pytest.fixture
def artifacts() -> Artifacts:
    return Artifacts(MemoryStore())


@pytest.mark.parametrize(("make", "kind"), ZOO.values(), ids=ZOO)
@pytest.mark.parametrize("nested", [False, True], ids=["itself", "deep inside"])
def test_the_unpicklable(make: Callable[[], object], kind: str, nested: bool, artifacts: Artifacts) -> None:
    animal = make()
    value = types.SimpleNamespace(fine=np.zeros(3), layers=[1, {"x": (animal, 2)}]) if nested else animal
    with pytest.raises(SerializationError, match="can't be stored") as caught:
        artifacts.save(value, where=WHERE)
    error = caught.value
    assert str(error.where).startswith(WHERE + (".layers[1]['x'][0]" if nested else ""))
    assert kind in str(error.seen)
    assert error.help and error.__cause__ is not None
    if isinstance(animal, subprocess.Popen):
        animal.wait()
    elif not isinstance(animal, mmap.mmap):
        with contextlib.suppress(Exception):
            animal.close()  # type: ignore[attr-defined]
