"""An object store on the other side of a bad network: each request is a step of the world, and may go wrong."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from flow_sdk.errors import ObjectExists, StoreUnavailable
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.key_syntax import check_key, check_prefix
from flow_sdk.store.port import Buffers, Capabilities, ObjectInfo
from tests.simulation.world import World

__all__ = ["Bucket", "Store"]

PAGE = 4
TRIES = 3
Seen = Callable[[str, bytes | None, bytes | None], None]
_Names = list[str]


class Bucket(MemoryStore):
    """What is stored, seen from outside of the world: its reads are no steps.

    Parameters
    ----------
    watch : callable
        Is told of every change that is applied: key, bytes before and after; None for no object.
    """

    def __init__(self, watch: Seen) -> None:
        super().__init__("simulated")
        self.watch = watch
        self.writers: dict[str, str] = {}
        """Which create-only put an object comes from."""

    def set(self, key: str, data: bytes, now: float, writer: str = "") -> None:
        """Apply a put."""
        before = self._objects.get(key)
        self._objects[key], self.writers[key] = (data, now), writer
        self.watch(key, None if before is None else before[0], data)

    def remove(self, key: str) -> None:
        """Apply a deletion."""
        before = self._objects.pop(key, None)
        if before is not None:
            self.watch(key, before[0], None)

    def keys(self, prefix: str) -> _Names:
        """Keys below a folder, sorted."""
        return self._keys(prefix)


class _Unknown(Exception):
    """No answer: the request may have been applied, may never be, or may be later on."""


class Store:
    """The store as one process sees it.

    Parameters
    ----------
    world : World
        Where the process lives.
    bucket : Bucket
        What is stored.
    """

    def __init__(self, world: World, bucket: Bucket) -> None:
        self.world, self.bucket = world, bucket
        self.writer = ""
        """Marks what the last create-only put wrote."""

    @property
    def url(self) -> str:
        return self.bucket.url

    @property
    def capabilities(self) -> Capabilities:
        return self.bucket.capabilities

    # Requests

    def _fault(self) -> str:
        """How a request goes wrong; "" when it doesn't."""
        world = self.world
        if not world.chance(world.profile.fault):
            return ""
        world.faults += 1
        assert world.running is not None
        world.running.disturbed = True
        return world.rng.choice(("refused", "lost", "unheard", "late"))

    def _ask(self, what: str) -> None:
        """A request that changes nothing."""
        self.world.pause(what)
        fault = self._fault()
        if fault:
            self.world.note(self._who, f"  {fault}")
            raise StoreUnavailable("The store doesn't answer.", where=what)

    def _send(self, what: str, act: Callable[[], None]) -> None:
        """A request that changes something: as ``act`` does when it arrives."""
        self.world.pause(what)
        fault = self._fault()
        if not fault:
            act()
            return
        self.world.note(self._who, f"  {fault}")
        if fault == "refused":
            raise StoreUnavailable("The store is busy.", where=what)
        if fault == "unheard":
            try:
                act()
            except ObjectExists:
                pass
        elif fault == "late":
            self.world.later(self.world.rng.choice((0.1, 3.0, 300.0)), lambda: self._arrive(act))
        raise _Unknown(what)

    @staticmethod
    def _arrive(act: Callable[[], None]) -> None:
        try:
            act()
        except ObjectExists:
            pass

    @property
    def _who(self) -> str:
        assert self.world.running is not None
        return self.world.running.name

    # The port

    def get(self, key: str) -> bytes:
        self._ask(f"get {check_key(key)}")
        return self.bucket.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.get(key)[start : start + length]

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        found = self.get_range(key, start, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        for key in keys:
            self._ask(f"get {check_key(key)}")
            yield next(self.bucket.get_many([key]))

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        whole = _joined(data)
        try:
            self._send(f"put {check_key(key)}", lambda: self.bucket.set(key, whole, self.world.now))
        except _Unknown as unknown:
            raise StoreUnavailable("The store doesn't answer.", where=str(unknown)) from None

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        whole, writer = _joined(data), self.world.uuid4().hex
        self.writer = writer

        def create() -> None:
            if self.bucket.head(key) is not None:
                raise ObjectExists("The object is already in the store.", where=f"{self.url}/{key}")
            self.bucket.set(key, whole, self.world.now, writer)

        for _ in range(TRIES):
            try:
                self._send(f"put_if_absent {check_key(key)}", create)
                return
            except (_Unknown, ObjectExists):
                # A request from before may have arrived after all.
                found = self.settle(key)
            if found == writer:
                return
            if found is not None:
                raise ObjectExists("The object is already in the store.", where=f"{self.url}/{key}")
        raise StoreUnavailable("The store doesn't answer.", where=f"put_if_absent {key}")

    def settle(self, key: str) -> str | None:
        """Read back who wrote an object."""
        self._ask(f"get {key}, written by")
        return self.bucket.writers.get(key)

    def make_durable(self, key: str) -> None: ...

    def head(self, key: str) -> ObjectInfo | None:
        self._ask(f"head {check_key(key)}")
        return self.bucket.head(key)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        last, left = "", limit
        while left is None or left > 0:
            self._ask(f"list {check_prefix(prefix)}")
            keys = [key for key in self.bucket.keys(prefix) if key > last]
            page = keys[: PAGE if left is None else min(PAGE, left)]
            if not page:
                return
            for key in page:
                found = self.bucket.head(key)
                if found is not None:
                    yield found
            last, left = page[-1], None if left is None else left - len(page)

    def folders(self, prefix: str) -> _Names:
        self._ask(f"folders {check_prefix(prefix)}")
        return self.bucket.folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                self._send(f"delete {check_key(key)}", lambda key=key: self.bucket.remove(key))  # type: ignore[misc]
            except _Unknown as unknown:
                raise StoreUnavailable("The store doesn't answer.", where=str(unknown)) from None


def _joined(data: Buffers) -> bytes:
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
