"""Processes that share a store, run one store operation at a time in an order that the test chooses."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from flow_sdk.errors import FlowSDKError
from flow_sdk.store.backends import memory
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs import write_protocol
from flow_sdk.store.port import Buffers, ObjectInfo
from flow_sdk.upkeep import collector, mark_sweep

__all__ = ["Actor", "Killed", "SteppedLocal", "SteppedStore", "World"]

_Names = list[str]

_CHANGES = ("put", "delete")
PAGE = 3
"""Objects of one page of a listing: what changes between two pages is seen, as on S3."""


class Killed(BaseException):
    """What a killed process sees: nothing of it goes on."""


class World:
    """The clock that all share, and the actors. It stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.actors: list[Actor] = []

    def install(self, patch: pytest.MonkeyPatch) -> "World":
        for module in (memory, write_protocol, collector, mark_sweep):
            patch.setattr(module, "time", self)
        return self

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        actor = threading.current_thread()
        if not isinstance(actor, Actor):
            self.now += seconds
            return
        actor.wakes = self.now + seconds
        while self.now < actor.wakes:
            if actor.goes_on:
                self.now = actor.wakes
            actor.pause()
        actor.wakes = 0.0

    def start(self, kind: str, work: Callable[[Any], Any], base: "MemoryStore | SteppedLocal") -> "Actor":
        """Start a process: it has done nothing yet."""
        own = SteppedLocal(base.root, self) if isinstance(base, SteppedLocal) else SteppedStore(base)
        actor = Actor(kind, work, own)
        self.actors.append(actor)
        return actor

    def step(self, actor: "Actor", count: int = 1, *, until_changed: bool = False) -> int:
        """Let a process do so many operations (> 0), or until it has changed something; who sleeps makes the time pass.

        Returns
        -------
        int
            How many it did.
        """
        self.now = max(self.now, actor.wakes)
        return actor.step(count, until_changed=until_changed)

    def end(self) -> None:
        """Kill all that are left."""
        for actor in self.actors:
            actor.kill()


class Actor(threading.Thread):
    """One process."""

    def __init__(self, kind: str, work: Callable[[Any], Any], store: "SteppedStore | SteppedLocal") -> None:
        super().__init__(daemon=True)
        self.kind, self.work, self.store = kind, work, store
        # Each is taken by whom it lets wait. A Semaphore is written in Python, and all the time would go into it.
        self.go, self.stopped = threading.Lock(), threading.Lock()
        self.go.acquire()
        self.stopped.acquire()
        self.is_begun = self.is_over = self.is_killed = False
        self.error: BaseException | None = None
        self.wakes = 0.0
        self.next = ""
        """What it is about to do: the operation and its key."""
        self.deadline = float("inf")
        """Until when, at the latest, it must be through: what the protocol takes for granted."""
        self._left, self._until_changed = 0, False

    @property
    def changes(self) -> bool:
        """Whether what it is about to do may change what is stored."""
        return self.next.startswith(_CHANGES)

    @property
    def goes_on(self) -> bool:
        """Whether it doesn't stop after what it is doing."""
        return self._left > 0 and not (self._until_changed and self.changes)

    def run(self) -> None:
        try:
            self.work(self.store)
        except Killed:
            pass
        except FlowSDKError as error:
            self.error = error
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.is_over = True
            self.stopped.release()

    def pause(self, operation: str = "") -> None:
        goes_on, self.next = self.goes_on, operation
        if goes_on:
            self._left -= 1
            return
        self.stopped.release()
        self.go.acquire()
        if self.is_killed:
            raise Killed

    def step(self, count: int = 1, *, until_changed: bool = False) -> int:
        """Do so many operations (> 0) without a stop, or until one has changed something. Returns how many it did."""
        if self.is_over:
            return 0
        self._left, self._until_changed = count - 1, until_changed
        if self.is_begun:
            self.go.release()
        else:
            self.is_begun = True
            self.start()
        self.stopped.acquire()
        return count - self._left

    def kill(self) -> None:
        self.is_killed, self.is_over = True, self.is_over or not self.is_begun
        while not self.is_over:
            self.step()


class _Stepped:
    """Stops before each operation, each key and each page."""

    @staticmethod
    def _stop(operation: str) -> None:
        actor = threading.current_thread()
        if isinstance(actor, Actor):
            actor.pause(operation)

    def get(self, key: str) -> bytes:
        self._stop(f"get {key}")
        return super().get(key)

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        for key in keys:
            self._stop(f"get {key}")
            yield next(super().get_many([key]))

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        self._stop(f"put {key}")
        super().put(key, data, durable=durable)

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        self._stop(f"put_if_absent {key}")
        super().put_if_absent(key, data, durable=durable)

    def head(self, key: str) -> ObjectInfo | None:
        self._stop(f"head {key}")
        return super().head(key)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        last, left = "", limit
        while left is None or left > 0:
            self._stop(f"list {prefix}")
            page = [info for info in super().list(prefix) if info.key > last][
                : PAGE if left is None else min(PAGE, left)
            ]
            if not page:
                return
            yield from page
            last, left = page[-1].key, None if left is None else left - len(page)

    def folders(self, prefix: str) -> _Names:
        self._stop(f"folders {prefix}")
        return super().folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._stop(f"delete {key}")
            super().delete([key])


class SteppedStore(_Stepped, MemoryStore):
    """A process's own view of a store in memory."""

    def __init__(self, base: MemoryStore) -> None:
        super().__init__("stepped")
        self._objects, self._lock = base._objects, base._lock


class SteppedLocal(_Stepped, LocalStore):
    """A process's own view of a local store, whose files are dated by the world's clock."""

    def __init__(self, root: str, world: World) -> None:
        super().__init__(root)
        self._world = world

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        super().put(key, data, durable=False)
        self._date(key)

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        super().put_if_absent(key, data, durable=False)
        self._date(key)

    def _date(self, key: str) -> None:
        os.utime(f"{self.root}/{key}", (self._world.now, self._world.now))
