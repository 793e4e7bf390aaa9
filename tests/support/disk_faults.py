"""A layer over the calls by which a process changes a folder: they can be counted, fail, or end the process."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "fail_at", "kill_at", "layer"]

CALLS = ("open", "close", "write", "fsync", "fdatasync", "link", "rename", "replace", "unlink", "mkdir")
REAL = {name: getattr(os, name) for name in CALLS}


@dataclass(frozen=True, slots=True)
class Call:
    """One call that changes the folder, or makes a change durable.

    Parameters
    ----------
    name : str
        ``create``, ``write``, ``fsync``, ``link``, ``rename``, ``unlink`` or ``mkdir``.
    path : str
        The file or folder it is about.
    target : str
        For a link or rename, the new name.
    fd : int
        The descriptor of a create, write or fsync.
    data : bytes
        What is written.
    """

    name: str
    path: str
    target: str = ""
    fd: int = -1
    data: bytes = b""


class _Layer:
    def __init__(self, root: str, see: Callable[[Call], None], done: Callable[[Call], None]) -> None:
        self.root, self.see, self.done = os.path.abspath(root), see, done
        self.files: dict[int, str] = {}

    def inside(self, path: Any) -> bool:
        return isinstance(path, str) and (path + "/").startswith(self.root + "/")

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        makes = self.inside(path) and flags & os.O_CREAT
        if makes:
            self.see(Call("create", path))
        fd: int = REAL["open"](path, flags, mode, **more)
        if self.inside(path):
            self.files[fd] = path
        if makes:
            self.done(Call("create", path, fd=fd))
        return fd

    def close(self, fd: int) -> None:
        self.files.pop(fd, None)
        REAL["close"](fd)

    def write(self, fd: int, data: Any) -> int:
        if fd not in self.files:
            return REAL["write"](fd, data)  # type: ignore[no-any-return]
        self.see(Call("write", self.files[fd], fd=fd, data=data))
        count: int = REAL["write"](fd, data)
        self.done(Call("write", self.files[fd], fd=fd, data=bytes(memoryview(data).cast("B")[:count])))
        return count

    def fsync(self, fd: int) -> None:
        if fd not in self.files:
            return REAL["fsync"](fd)  # type: ignore[no-any-return]
        self.see(Call("fsync", self.files[fd], fd=fd))
        REAL["fsync"](fd)
        self.done(Call("fsync", self.files[fd], fd=fd))
        return None

    def name(self, name: str, path: Any, target: Any, more: dict[str, Any]) -> None:
        arguments = (path,) if target is None else (path, target)
        if not self.inside(path) or more.get("dir_fd") is not None:
            return REAL[name](*arguments, **more)  # type: ignore[no-any-return]
        call = Call("rename" if name == "replace" else name, path, target if isinstance(target, str) else "")
        self.see(call)
        REAL[name](*arguments, **more)
        self.done(call)
        return None


@contextmanager
def layer(root: str, see: Callable[[Call], None], done: Callable[[Call], None] = lambda call: None) -> Iterator[None]:
    """Lay it over all calls below a folder, in this process and those that it forks.

    Parameters
    ----------
    root : str
        The folder.
    see : callable
        Is told before each call; it may raise, or not return.
    done : callable
        Is told after each call that was a success.
    """
    over = _Layer(root, see, done)

    def named(name: str) -> Callable[..., None]:
        return lambda path, target=None, **more: over.name(name, path, target, more)

    laid = {"open": over.open, "close": over.close, "write": over.write, "fsync": over.fsync, "fdatasync": over.fsync}
    for name in CALLS:
        setattr(os, name, laid.get(name) or named(name))
    try:
        yield
    finally:
        for name in CALLS:
            setattr(os, name, REAL[name])


def _half(call: Call) -> None:
    """Write half of what is to be written: a write may be cut anywhere."""
    if call.name == "write":
        view = memoryview(call.data).cast("B")
        REAL["write"](call.fd, view[: len(view) // 2])


def kill_at(number: int, half: bool = False) -> Callable[[Call], None]:
    """End this process with SIGKILL right before the call of that number (from 0), with ``half`` of a write done."""
    count = iter(range(1 << 60))

    def see(call: Call) -> None:
        if next(count) == number:
            if half:
                _half(call)
            os.kill(os.getpid(), signal.SIGKILL)

    return see


def fail_at(number: int, code: int, *, lasting: bool = True) -> Callable[[Call], None]:
    """Have the call of that number (from 0) fail with an errno; with ``lasting`` all that come after it, too."""
    count = iter(range(1 << 60))
    # A full disk still lets names be taken away; one that is read-only doesn't.
    spared = {"unlink"} if code in (errno.ENOSPC, errno.EDQUOT) else set()

    def see(call: Call) -> None:
        at = next(count)
        if (at == number or (lasting and at > number)) and call.name not in spared:
            if code in (errno.ENOSPC, errno.EDQUOT):
                _half(call)
            raise OSError(code, os.strerror(code), call.path)

    return see
