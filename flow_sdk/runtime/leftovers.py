"""What importing a module leaves behind that a forked process wouldn't have as its own.

A forked process has a copy of its parent's memory, but none of its threads and children; it shares open files with it,
and random numbers that were drawn before the fork are the same in every task. A package that leaves any of these behind
when it is imported has to be imported by each task itself.
"""

import atexit
import os
import random
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from flow_sdk.runtime.randomness import unused_numpy_generators

__all__ = ["Leftovers"]

HARMLESS_EXITS = {
    "", "absl", "certifi", "colorama", "google", "grpc", "h5py", "IPython", "joblib", "matplotlib", "numba", "pyarrow",
    "sklearn", "tables", "tensorflow", "torch",
}  # fmt: skip
"""Packages whose exit functions look after their process's own state, of which a forked task has a copy."""

HARMLESS_FILES = {"/dev/null", "/dev/urandom", "/dev/random"}

TRUSTED = {"joblib", "matplotlib", "numpy", "pandas", "rich", "scipy", "sklearn", "torch"}
"""Packages that draw random numbers when they are imported, on which nothing of a result depends."""

CARRIED_THREADS = {"jemalloc_bg_thd"}
"""Names of threads whose libraries have handlers for a fork: that of jemalloc, which pyarrow starts, frees memory."""

DRAWING = {"random", "secrets", "uuid", "os", __name__}
"""Modules that draw for whoever calls them."""


class Leftovers:
    """Watches what imports leave behind, while the ``with`` block lasts; :meth:`found` is asked after each import.

    Attributes
    ----------
    generators : list
        Random generators that were seeded by the system and not used yet: a forked process can seed them anew.
    """

    def __init__(self) -> None:
        self._watching = False
        self._undo: list[Callable[[], None]] = []
        self.generators: list[Any] = []
        self._exits: list[str] = []
        self._draws: list[str] = []
        self._seeded: list[tuple[random.Random, Any]] = []
        self._numpy_seeds = self._numpy_seeds_trusted = 0
        self._files = set(_open_files())
        self._numpy_state: Any = None

    def __enter__(self) -> "Leftovers":
        register, urandom, seed = atexit.register, os.urandom, random.Random.seed

        def watched_register(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Callable[..., Any]:
            if self._watching and not _is_harmless(sys._getframe(1).f_code.co_filename):
                self._exits.append(_name(function))
            return register(function, *arguments, **named)

        def watched_urandom(size: int, /) -> bytes:
            self._note_draw("random bytes")
            return urandom(size)

        def watched_seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            seed(generator, a, version)
            if a is None and self._watching and (place := _drawing_place(sys._getframe(1))) is not None:
                self._seeded.append((generator, None if _is_trusted(place) else generator.getstate()))

        def watched_global_seed(a: Any = None, version: int = 2) -> None:
            if a is not None and self._watching:
                self._draws.append("a fixed sequence, as it seeds the generator of random")
            seed(global_generator, a, version)

        global_generator = random._inst
        self._watching = True
        self._replace(atexit, "register", watched_register)
        self._replace(os, "urandom", watched_urandom)
        self._replace(random, "_urandom", watched_urandom)
        self._replace(random, "seed", watched_global_seed)
        self._replace(random.Random, "seed", watched_seed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching = False  # a package may have kept one of the functions
        for undo in reversed(self._undo):
            undo()

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))

    def _note_draw(self, what: str) -> None:
        place = _drawing_place(sys._getframe(2)) if self._watching else None
        if place is not None and not _is_trusted(place):
            self._draws.append(f"{what} in {place}")

    def found(self) -> str | None:
        """Say what has been left behind, to follow "importing it"; None when it is nothing that matters."""
        draws = self._used_numpy() or self._used_generators() or self._draws
        if draws:
            return f"draws {draws[0]}"
        if _has_threads():
            return "starts a thread"
        if _has_children():
            return "starts a process"
        opened = [path for fd, path in _open_files().items() if fd not in self._files and path not in HARMLESS_FILES]
        if opened:
            return f"leaves {opened[0]} open"
        if tempfile._name_sequence is not None:  # type: ignore[attr-defined]
            return "makes a temporary file"
        exits = self._exits or [_name(function) for function in _finalizers() if _may_remove(function)]
        if exits:
            return f"registers the exit function {exits[0]}"
        return "makes a lock or queue of multiprocessing" if _has_shared_objects() else None

    def _used_numpy(self) -> list[str]:
        """Tell whether NumPy's global generator was used or seeded."""
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is None or not hasattr(numpy_random, "get_state"):
            return []
        _, key, position, *_ = numpy_random.get_state()
        before, self._numpy_state = self._numpy_state, (key.tobytes(), position)
        if before is None:
            self._watch_numpy()
        return [] if before in (None, self._numpy_state) else ["from the generator of numpy.random"]

    def _watch_numpy(self) -> None:
        """Count NumPy's generators that the system seeds; from now on, as NumPy is loaded now."""
        module = sys.modules.get("numpy.random.bit_generator")
        randbits = getattr(module, "randbits", None)
        if randbits is None:
            return  # these are seen as any other random bytes

        def watched_randbits(count: int) -> int:
            watching, self._watching = self._watching, False
            try:
                drawn: int = randbits(count)
            finally:
                self._watching = watching
            place = _drawing_place(sys._getframe(1)) if watching else None
            if place is not None:
                self._numpy_seeds += 1
                self._numpy_seeds_trusted += _is_trusted(place)
            return drawn

        self._replace(module, "randbits", watched_randbits)

    def _used_generators(self) -> list[str]:
        """The generators that were seeded by the system and used at once, or that can't be found; keep the others."""
        self.generators = [generator for generator, _ in self._seeded]
        if any(state is not None and generator.getstate() != state for generator, state in self._seeded):
            return ["from a generator of its own"]
        if self._numpy_seeds:
            found = unused_numpy_generators()
            self.generators += found
            if len(found) < self._numpy_seeds - self._numpy_seeds_trusted:
                return ["from a NumPy generator of its own"]
        return []


def _drawing_place(frame: FrameType | None) -> str | None:
    """The file of an installed package that draws; None where Python itself prepares something, or NumPy does."""
    while frame is not None and frame.f_globals.get("__name__") in DRAWING:
        frame = frame.f_back
    if frame is None:
        return None
    path = frame.f_code.co_filename
    return None if _package(path) in ("", "numpy") else path


def _package(path: str) -> str:
    """The installed package that a file belongs to; empty for Python's own files and ours."""
    _, mark, rest = path.rpartition(f"-packages{os.sep}")
    return rest.partition(os.sep)[0].removesuffix(".py") if mark else ""


def _is_trusted(path: str) -> bool:
    return _package(path) in TRUSTED


def _is_harmless(path: str) -> bool:
    """Tell whether a file's package registers exit functions that may run in a forked process; Python's own may."""
    return _package(path) in HARMLESS_EXITS


def _may_remove(function: Callable[..., Any]) -> bool:
    """Tell whether the function of a finalizer may remove what other tasks need as well, such as a folder."""
    package = _module(function).partition(".")[0]
    if package in sys.stdlib_module_names:
        return package in ("os", "posix", "shutil", "tempfile")
    return package not in HARMLESS_EXITS


def _module(function: Callable[..., Any]) -> str:
    return getattr(function, "__module__", None) or type(function).__module__


def _name(function: Callable[..., Any]) -> str:
    return f"{_module(function)}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _finalizers() -> list[Callable[..., Any]]:
    """The functions that ``weakref.finalize`` would call at the end of the process."""
    registry: dict[Any, Any] = weakref.finalize._registry  # type: ignore[attr-defined]
    return [info.func for info in registry.values() if info.atexit]


def _open_files() -> dict[str, str]:
    """What this process's descriptors are open on, by number; empty where the system doesn't say."""
    found = {}
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return {}
    for number in numbers:
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass  # it was the one of the listing
    return found


def _count_threads() -> int:
    """Count this process's threads, but for those that a fork may end."""
    try:
        numbers = os.listdir("/proc/self/task")
    except OSError:
        return threading.active_count()
    return sum(_thread_name(number) not in CARRIED_THREADS for number in numbers) if len(numbers) > 1 else 1


def _thread_name(number: str) -> str:
    try:
        with open(f"/proc/self/task/{number}/comm") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""  # it has ended


def _has_threads() -> bool:
    """Tell whether there are threads that a fork would lose: OpenBLAS ends its own before each fork."""
    if _count_threads() == 1:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return _count_threads() > 1


def _has_shared_objects() -> bool:
    """Tell whether there are objects that processes share, of which each task would have its own."""
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return False
    kinds = {type(each).__module__ for each in util._afterfork_registry.values()}
    return not kinds.isdisjoint(f"multiprocessing.{name}" for name in ("managers", "pool", "queues", "synchronize"))


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
