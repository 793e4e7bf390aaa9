"""The end of a task's process, once its result is stored and reported: it ends as a Python process does.

Threads that aren't daemons are waited for, exit functions run, and what open files hold is written. Nothing of that can
change the result. What doesn't end is ended by the step's @timeout.

An interpreter of its own is ended by Python itself. That takes 30 to 100 ms, most of it for freeing memory, which is as
long as ten tasks take. So a forked task does the same for what it has itself made, and leaves the rest to the system.
"""

import atexit
import functools
import gc
import itertools
import os
import signal
import sys
from _io import _IOBase
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, NoReturn

from flow_sdk.runtime.task.finalization import finalize_objects, finalizer_function, flush_file
from flow_sdk.runtime.task.module_origins import is_installed

__all__ = [
    "LEAST_SECONDS",
    "QUIET_SECONDS",
    "c_library",
    "end_forked_process",
    "exit_code",
    "find_c_functions",
    "limit_end",
    "mark_inherited_modules",
]

LEAST_SECONDS = 5.0
"""Seconds that the end of a process has at least, whatever its step has used up of its @timeout."""

QUIET_SECONDS = 30.0
"""Seconds after which a process that has no @timeout and doesn't end says what it waits for."""


@functools.cache
def c_library() -> Any:
    """Return the C library of this process."""
    import ctypes

    return ctypes.CDLL(None)


def find_c_functions() -> None:
    """Look up the functions of C that a task calls, which are remembered: before the fork, once for all tasks."""
    library = c_library()
    for name in ("fflush", "prctl") if sys.platform == "linux" else ("fflush",):
        getattr(library, name)
    finalizer_function()


def limit_end(task: str, seconds: float | None, code: int) -> None:
    """Have this process say that it doesn't end, and with a limit, have it ended.

    Parameters
    ----------
    task : str
        The task, for the message.
    seconds : float or None
        Seconds until it is ended; None for no limit.
    code : int
        Its exit code then.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        end = "It is ended now, as the step's @timeout is over." if seconds is not None else "It is waiting."
        text = f"{task} has ended, but its process hasn't: {_waited_for()}. {end}\n"
        try:
            sys.stdout.flush()
            sys.stderr.write(text)
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - the step may have closed them
            pass
        if seconds is not None:
            os._exit(code)

    try:
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, QUIET_SECONDS if seconds is None else seconds)
    except ValueError:
        pass  # not the main thread: the process that started this one ends it


def _waited_for() -> str:
    threading: Any = sys.modules.get("threading")
    if threading is None:
        return "an exit function runs"
    me = threading.main_thread()
    names = [thread.name for thread in threading.enumerate() if thread is not me and not thread.daemon]
    if not names:
        return "an exit function runs"
    return f"it waits for the thread{'s' if len(names) > 1 else ''} {', '.join(names)}"


def exit_code(error: BaseException) -> int:
    """Report an exception that reached the end of a process as Python does, and return the exit code."""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    sys.excepthook(type(error), error, error.__traceback__)
    return 1


def mark_inherited_modules() -> None:
    """Make this module the last of those that are loaded: a forked process finds its own ones after it.

    Going through all would change the reference counts of all, and so copy their memory.
    """
    sys.modules[__name__] = sys.modules.pop(__name__)


def end_forked_process(code: int) -> NoReturn:
    """End a process that was forked, as Python ends one of its own.

    The modules that were loaded before the fork are left alone. Of what they hold, only what this process has made is
    finalized.

    Parameters
    ----------
    code : int
        The exit code.
    """
    threading: Any = sys.modules.get("threading")
    if threading is not None:
        _call_safely(threading._shutdown)
    _call_safely(atexit._run_exitfuncs)
    # What follows is short. Threads that are daemons would find their modules empty.
    sys.setswitchinterval(100.0)
    threading = sys.modules.get("threading")
    if threading is not None:
        threading.excepthook = lambda arguments: None
    detached: dict[int, str] = {}
    _call_safely(lambda: detached.update(_detach_modules()))
    _call_safely(finalize_objects)
    _call_safely(lambda: _clear_modules(detached))
    _call_safely(_flush_files)
    os._exit(code)


def _call_safely(part: Callable[[], Any]) -> None:
    """Do one part of the end; the next parts are due whatever it raises."""
    try:
        part()
    except BaseException as error:  # noqa: BLE001 - sys.exit() of an exit function included
        if not isinstance(error, SystemExit):
            try:
                sys.excepthook(type(error), error, error.__traceback__)
            except Exception:  # noqa: BLE001 - there may be nowhere to print it
                pass


def _detach_modules() -> dict[int, str]:
    """Take the user's modules out of ``sys.modules``.

    What nothing else holds is freed here; ``__del__`` finds the names of its module as they were.

    Returns
    -------
    dict of int to str
        The id of each module's dictionary and the module's name, the last imported first.
    """
    flush_file(sys.stdout)
    flush_file(sys.stderr)
    sys.stdout, sys.stderr = sys.__stdout__ or sys.stdout, sys.__stderr__ or sys.stderr
    sys.last_type = sys.last_value = sys.last_traceback = None
    modules: dict[str, Any] = sys.modules
    later = list(itertools.takewhile(lambda name: name != __name__, reversed(modules)))  # see mark_inherited_modules()
    own = [
        (name, id(module.__dict__))
        for name in ("__main__", *reversed(later))
        if isinstance(module := modules.get(name), ModuleType) and (name == "__main__" or not is_installed(module))
    ]
    for name, _ in own:
        modules[name] = None  # as Python does: it can't be imported again
    gc.collect()
    return {key: name for name, key in reversed(own)}


def _clear_modules(detached: dict[int, str]) -> None:
    """Clear the modules that are still there, so that what they hold is freed."""
    found = {id(each): each for each in gc.get_objects() if id(each) in detached and type(each) is dict}
    for key in detached:
        values = found.pop(key, {})
        if "__builtins__" not in values and "__name__" not in values:
            continue  # another dictionary where that of the module was
        # As Python does it: first what has a private name, which the rest may need.
        for name in sorted(values, key=lambda name: not (name.startswith("_") and not name.startswith("__"))):
            if name != "__builtins__":
                values[name] = None
    gc.collect()


def _flush_files() -> None:
    """Write what the buffers of open files hold, Python's and those of C libraries."""
    for each in gc.get_objects():
        if issubclass(type(each), _IOBase):
            flush_file(each)
    flush_file(sys.stdout)
    flush_file(sys.stderr)
    c_library().fflush(None)
