"""What a file system may hold after a power cut: of what wasn't synced anything may be there, cut off, or lost.

Processes may follow one another: a first one is killed, a second one finds what it left, and then the power fails. What
the first one hadn't synced is lost for the second one, too, unless the second one syncs it.

The model is the weakest that POSIX allows. A file's bytes are there for certain after an fsync of the file, a name in
a folder after an fsync of that folder. Everything else may be lost on its own: later changes may have come through
where earlier ones haven't. Only a rename is one change.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from flow_sdk.deploy import claims
from flow_sdk.deploy.airflow import dag_location
from flow_sdk.store.backends.local import LocalStore
from tests.support.disk_faults import Call, layer

__all__ = ["Killed", "Recorder", "Tree", "build"]

Tree = dict[str, bytes | None]
"""Content by path below the root; None for a folder."""


class Killed(BaseException):
    """The process isn't there any more: none of its calls is done."""


@dataclass(slots=True)
class _File:
    """What was written to a file: the bytes with the number of the operation, and the syncs' numbers."""

    writes: list[tuple[int, bytes]] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)

    def content(self, at: int, kept: str) -> bytes:
        """Its bytes after a cut at an operation, where of what isn't synced ``all``, ``half`` or ``none`` was kept."""
        synced = max((sync for sync in self.syncs if sync <= at), default=-1)
        sure = b"".join(data for number, data in self.writes if number < synced)
        more = b"".join(data for number, data in self.writes if synced <= number <= at)
        return sure + {"all": more, "none": b"", "half": more[: len(more) // 2], "zeros": bytes(len(more))}[kept]


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of names: which go, and which come, in their folders."""

    number: int
    folder: str
    gone: str | None = None
    come: str | None = None
    what: "_File | None" = None


@dataclass(frozen=True, slots=True)
class _Promise:
    """That a file was reported to be there for good, and with what in it."""

    number: int
    path: str
    content: bytes


class Recorder:
    """Records what happens below a folder, and tells what may be left of it after a cut.

    Parameters
    ----------
    root : str
        The folder; what is in it already is durable.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.base: Tree = dict(_read(root))
        self.names: dict[str, _File] = {}
        self.changes: list[_Change] = []
        self.folder_syncs: dict[str, list[int]] = {}
        self.promises: list[_Promise] = []
        self.count = 0
        self.skipped: Callable[[Call], bool] = lambda call: False

    @contextmanager
    def recording(self, killed_at: int | None = None) -> Iterator[None]:
        """Record what a process does; it is killed right before the call of that number (from 0)."""
        puts = {name: getattr(LocalStore, name) for name in ("put", "put_if_absent")}
        replace_file, calls = claims.replace_file, count()

        def see(call: Call) -> None:
            if killed_at is not None and next(calls) >= killed_at:
                raise Killed

        def put(name: str) -> Callable[..., None]:
            def wrapper(store: LocalStore, key: str, data: Any, *, durable: bool = True) -> None:
                parts = [data] if isinstance(data, bytes | bytearray | memoryview) else list(data)
                puts[name](store, key, parts, durable=durable)
                if durable:
                    self._promise(os.path.join(store.root, key), b"".join(bytes(part) for part in parts))

            return wrapper

        def replaced(path: str, data: bytes, *more: Any, **named: Any) -> None:
            replace_file(path, data, *more, **named)
            self._promise(path, data)

        for name in puts:
            setattr(LocalStore, name, put(name))
        for module in (claims, dag_location):
            module.replace_file = replaced  # type: ignore[attr-defined]
        try:
            with layer(self.root, see, self._take):
                yield
        except Killed:
            pass
        finally:
            for module in (claims, dag_location):
                module.replace_file = replace_file  # type: ignore[attr-defined]
            for name, real in puts.items():
                setattr(LocalStore, name, real)

    def _promise(self, path: str, content: bytes) -> None:
        self.promises.append(_Promise(self.count, os.path.relpath(path, self.root), content))

    def _take(self, call: Call) -> None:
        if self.skipped(call):
            return
        self.count += 1
        number, path = self.count, os.path.relpath(call.path, self.root)
        target = os.path.relpath(call.target, self.root) if call.target else ""
        match call.name:
            case "create":
                self.names[path] = _File()
                self._change(number, come=path, what=self.names[path])
            case "write":
                self.names[path].writes.append((number, bytes(call.data)))
            case "fsync" if path in self.names:
                self.names[path].syncs.append(number)
            case "fsync":
                self.folder_syncs.setdefault(path, []).append(number)
            case "mkdir":
                self._change(number, come=path)
            case "link":
                self.names[target] = self.names[path]
                self._change(number, come=target, what=self.names[path])
            case "rename":
                self.names[target] = self.names.pop(path)
                self._change(number, gone=path, come=target, what=self.names[target])
            case "unlink":
                self.names.pop(path, None)
                self._change(number, gone=path)

    def _change(self, number: int, gone: str | None = None, come: str | None = None, what: _File | None = None) -> None:
        folder = os.path.dirname(come or gone or "") or "."
        self.changes.append(_Change(number, folder, gone, come, what))

    def states(self, draw: random.Random, first: int = 0) -> Iterator[tuple[int, Tree]]:
        """What may be there after a cut right after each operation from ``first`` on; each state once."""
        seen = set()
        for at in range(first, self.count + 1):
            for lost, kept in self._choices(at, draw):
                tree = self._tree(at, lost, kept)
                due = sum(promise.number <= at for promise in self.promises)
                mark = hash((due, frozenset(tree.items())))
                if mark not in seen:
                    seen.add(mark)
                    yield at, tree

    def _choices(self, at: int, draw: random.Random) -> Iterator[tuple[set[int], Callable[[], str]]]:
        """Which changes of names are lost, and how much of each file's unsynced bytes is kept."""
        open_ = [
            change.number
            for change in self.changes
            if change.number <= at
            and not any(change.number < sync <= at for sync in self.folder_syncs.get(change.folder, ()))
        ]
        for kept in ("all", "none", "half", "zeros"):
            yield set(), lambda kept=kept: kept  # type: ignore[misc]
        yield set(open_), lambda: "none"
        for number in open_:
            yield {number}, lambda: "none"
            yield set(open_) - {number}, lambda: "none"
        for _ in range(3):
            lost = {number for number in open_ if draw.random() < 0.5}
            yield lost, lambda: draw.choice(("all", "none", "half", "zeros"))

    def _tree(self, at: int, lost: set[int], kept: Callable[[], str]) -> Tree:
        tree: Tree = dict(self.base)
        contents: dict[int, bytes] = {}
        for change in self.changes:
            if change.number > at or change.number in lost:
                continue
            if change.gone is not None:
                tree.pop(change.gone, None)
            if change.come is not None:
                if change.what is not None and id(change.what) not in contents:
                    contents[id(change.what)] = change.what.content(at, kept())
                tree[change.come] = None if change.what is None else contents[id(change.what)]
        # What lies in a folder whose own name is lost is lost with it.
        return {path: content for path, content in tree.items() if all(above in tree for above in _above(path))}

    def broken(self, at: int, tree: Tree) -> list[str]:
        """The promises made before a cut that what is left doesn't keep; what was put in place later is as good."""
        due: dict[str, list[bytes]] = {}
        for promise in self.promises:
            if promise.number <= at:
                due[promise.path] = []
        for promise in self.promises:
            if promise.path in due:
                due[promise.path].append(promise.content)
        removed = {change.gone for change in self.changes if change.come is None}
        return [path for path, contents in due.items() if path not in removed and tree.get(path) not in contents]


def _above(path: str) -> Iterable[str]:
    while path := os.path.dirname(path):
        yield path


def _read(root: str) -> Iterator[tuple[str, bytes | None]]:
    for path in Path(root).rglob("*"):
        yield str(path.relative_to(root)), None if path.is_dir() else path.read_bytes()


def build(root: Path, tree: Tree) -> None:
    """Make a folder hold what the tree says."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path in sorted(path for path, content in tree.items() if content is None):
        (root / path).mkdir(parents=True, exist_ok=True)
    for path, content in tree.items():
        if content is not None:
            (root / path).write_bytes(content)
