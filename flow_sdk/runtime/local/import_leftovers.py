"""What importing a module leaves behind that a forked process wouldn't have as its own.

A forked process has a copy of its parent's memory, but none of its threads and children; it shares open files with it,
and random numbers that were drawn before the fork are the same in every task. A package that leaves any of these behind
when it is imported has to be imported by each task itself.
"""

import atexit
import os
import sys
import warnings
import weakref
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, cast

from flow_sdk.runtime.local.randomness import unused_numpy_generators

if TYPE_CHECKING:
    import random

__all__ = ["Leftovers"]

HARMLESS_EXITS = {
    "", "absl", "certifi", "colorama", "google", "grpc", "h5py", "IPython", "joblib", "matplotlib", "numba", "pyarrow",
    "sklearn", "tables", "tensorflow", "torch",
}  # fmt: skip
"""Packages whose exit functions look after their process's own state, of which a forked task has a copy."""

HARMLESS_FILES = {"/dev/null", "/dev/urandom", "/dev/random"}

TRUSTED = {"joblib", "matplotlib", "numpy", "pandas", "rich", "scipy", "sklearn", "torch"}
"""Packages that draw random numbers when they are imported, on which nothing of a result depends."""

COMPARING = {"bson", "fsspec", "psutil"}
"""Packages that ask for their process id only to look at the system, or to find out later that they were forked."""

CARRIED_THREADS = {"jemalloc_bg_thd"}
"""Names of threads whose libraries have handlers for a fork: that of jemalloc, which pyarrow starts, frees memory."""

DRAWING = {"random", "secrets", "uuid", "os", __name__}
"""Modules that draw for their callers."""


class Leftovers:
    """Watches what imports leave behind, while the ``with`` block lasts; ask :meth:`describe_found` after each.

    Attributes
    ----------
    generators : list
        Random generators that were seeded by the system and not used yet: a forked process can seed them again.
    """

    def __init__(self) -> None:
        self._watching = False
        self._undo: list[Callable[[], None]] = []
        self.generators: list[Any] = []
        self._exits: list[str] = []
        self._draws: list[str] = []
        self._asked_pid: list[str] = []
        self._seeded: list[tuple[random.Random, Any]] = []
        self._numpy_seeds = self._numpy_seeds_trusted = 0
        self._files = set(_open_files())
        self._numpy_state: Any = None
        self._shared = _shared_mappings()
        self._folder, self._search_path = _current_folder(), list(sys.path)

    def __enter__(self) -> "Leftovers":
        register, urandom, getpid = atexit.register, os.urandom, os.getpid

        def watched_register(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Callable[..., Any]:
            if self._watching and not _is_harmless(sys._getframe(1).f_code.co_filename):
                self._exits.append(_qualified_name(function))
            return register(function, *arguments, **named)

        def watched_urandom(size: int, /) -> bytes:
            self._record_draw("random bytes")
            return urandom(size)

        def watched_getpid() -> int:
            file = _drawing_file(sys._getframe(1)) if self._watching else None
            if file is not None and _package_of(file) not in TRUSTED | COMPARING:
                self._asked_pid.append(file)
            return getpid()

        self._watching = True
        self._replace_function(atexit, "register", watched_register)
        self._replace_function(os, "urandom", watched_urandom)
        self._replace_function(os, "getpid", watched_getpid)
        self._when_imported("random", lambda: self._watch_random(urandom))
        self._when_imported("uuid", self._watch_uuid)
        self._when_imported("numpy.random", self._used_numpy)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching = False  # a package may have kept one of the functions
        for undo in reversed(self._undo):
            undo()

    def _when_imported(self, name: str, function: Callable[[], object]) -> None:
        """Call a function once a module has been imported, now if it is."""
        if name in sys.modules:
            function()
            return
        finder = _ImportWatch(name, function)
        sys.meta_path.insert(0, finder)
        self._undo.append(lambda: sys.meta_path.remove(finder))

    def _replace_function(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))

    def _record_draw(self, what: str) -> None:
        file = _drawing_file(sys._getframe(2)) if self._watching else None
        if file is not None and not _is_trusted(file):
            self._draws.append(f"{what} in {file}")

    def describe_found(self) -> str | None:
        """Return what has been left behind, to follow "importing it"; None when it is nothing that matters."""
        draws = self._used_numpy() or self._used_generators() or self._draws
        if draws:
            return f"draws {draws[0]}"
        if self.changes_others():
            return "changes the current folder" if _current_folder() != self._folder else "changes sys.path"
        if _has_threads():
            return "starts a thread"
        if _has_children():
            return "starts a process"
        opened = [path for fd, path in _open_files().items() if fd not in self._files and path not in HARMLESS_FILES]
        if opened:
            return f"leaves {opened[0]} open"
        if getattr(sys.modules.get("tempfile"), "_name_sequence", None) is not None:
            return "makes a temporary file"
        exits = self._exits or [_qualified_name(function) for function in _list_finalizers() if _may_remove(function)]
        if exits:
            return f"registers the exit function {exits[0]}"
        if _has_shared_objects():
            return "makes a lock or queue of multiprocessing"
        if not _shared_mappings() <= self._shared:
            return "makes memory that processes share"
        return f"asks for its process id in {self._asked_pid[0]}" if self._asked_pid else None

    def changes_others(self) -> bool:
        """Return whether an import has changed what the import of another module may depend on."""
        return _current_folder() != self._folder or sys.path != self._search_path

    def _watch_random(self, urandom: Callable[[int], bytes]) -> None:
        """Watch what the generators of ``random`` are seeded with."""
        module: Any = sys.modules["random"]
        seed, global_generator = module.Random.seed, module._inst

        def watched_seed(generator: "random.Random", a: Any = None, version: int = 2) -> None:
            seed(generator, a, version)
            if a is None and self._watching and (file := _drawing_file(sys._getframe(1))) is not None:
                self._seeded.append((generator, None if _is_trusted(file) else generator.getstate()))

        def watched_global_seed(a: Any = None, version: int = 2) -> None:
            if a is not None and self._watching:
                self._draws.append("a fixed sequence, as it seeds the generator of random")
            seed(global_generator, a, version)

        self._replace_function(module, "seed", watched_global_seed)
        self._replace_function(module.Random, "seed", watched_seed)
        module._urandom = os.urandom  # it may have been imported before, with the one that isn't watched, or since
        self._undo.append(lambda: setattr(module, "_urandom", urandom))

    def _watch_uuid(self) -> None:
        """Watch UUIDs that the system's library makes."""
        module: Any = sys.modules["uuid"]
        uuid1 = module.uuid1

        def watched_uuid1(node: int | None = None, clock_seq: int | None = None) -> Any:
            self._record_draw("a UUID")
            return uuid1(node, clock_seq)

        self._replace_function(module, "uuid1", watched_uuid1)

    def _used_numpy(self) -> list[str]:
        """Return whether NumPy's global generator was used or seeded."""
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
            file = _drawing_file(sys._getframe(1)) if watching else None
            if file is not None:
                self._numpy_seeds += 1
                self._numpy_seeds_trusted += _is_trusted(file)
            return drawn

        self._replace_function(module, "randbits", watched_randbits)

    def _used_generators(self) -> list[str]:
        """Return the generators that were seeded by the system and used at once, or that can't be found."""
        self.generators = [generator for generator, _ in self._seeded]
        if any(state is not None and generator.getstate() != state for generator, state in self._seeded):
            return ["from a generator of its own"]
        if self._numpy_seeds:
            found = unused_numpy_generators()
            self.generators += found
            if len(found) < self._numpy_seeds - self._numpy_seeds_trusted:
                return ["from a NumPy generator of its own"]
        return []


class _ImportWatch:
    """A finder and loader: calls a function when a module has been imported, before the importer can use it."""

    def __init__(self, name: str, function: Callable[[], object]) -> None:
        self._name, self._function = name, function
        self._loader: Any = None

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        """Return the module's spec, with this object as the loader; None for other modules."""
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, cast(Any, self)
        return spec

    def create_module(self, spec: Any) -> Any:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, then call the function; leaves the module with its own loader."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._function()


def _drawing_file(frame: FrameType | None) -> str | None:
    """The file of an installed package that draws; None where Python itself prepares something, or NumPy does."""
    while frame is not None and frame.f_globals.get("__name__") in DRAWING:
        frame = frame.f_back
    if frame is None:
        return None
    path = frame.f_code.co_filename
    return None if _package_of(path) in ("", "numpy") else path


def _package_of(path: str) -> str:
    """The installed package that a file belongs to; empty for Python's own files and ours."""
    _, mark, rest = path.rpartition(f"-packages{os.sep}")
    return rest.partition(os.sep)[0].removesuffix(".py") if mark else ""


def _is_trusted(path: str) -> bool:
    return _package_of(path) in TRUSTED


def _is_harmless(path: str) -> bool:
    """Return whether a file's package registers exit functions that may run in a forked process; Python's own may."""
    return _package_of(path) in HARMLESS_EXITS


def _may_remove(function: Callable[..., Any]) -> bool:
    """Return whether the function of a finalizer may remove what other tasks need as well, such as a folder."""
    package = _module_of(function).partition(".")[0]
    if package in sys.stdlib_module_names:
        return package in ("os", "posix", "shutil", "tempfile")
    return package not in HARMLESS_EXITS


def _module_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__module__", None) or type(function).__module__


def _qualified_name(function: Callable[..., Any]) -> str:
    return f"{_module_of(function)}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _list_finalizers() -> list[Callable[..., Any]]:
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


def _shared_mappings() -> set[str]:
    """The mappings of memory that this process shares with those it forks, and may write to."""
    try:
        with open("/proc/self/maps", errors="surrogateescape") as file:
            return {line for line in file if line.split(" ", 2)[1] == "rw-s"}
    except OSError:
        return set()


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it was deleted


def _count_threads() -> int:
    """Count this process's threads, but for those that a fork may end."""
    try:
        numbers = os.listdir("/proc/self/task")
    except OSError:
        import threading

        return threading.active_count()
    return sum(_thread_name(number) not in CARRIED_THREADS for number in numbers) if len(numbers) > 1 else 1


def _thread_name(number: str) -> str:
    try:
        with open(f"/proc/self/task/{number}/comm") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""  # it has ended


def _has_threads() -> bool:
    """Return whether there are threads that a fork would lose: OpenBLAS ends its own before each fork."""
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
    """Return whether there are objects that processes share, of which each task would have its own."""
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
