"""An object store in memory, for tests and notebooks."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from flow_sdk.errors import ObjectExists, ObjectMissing
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.key_syntax import check_key, check_prefix
from flow_sdk.store.port import Buffers, Capabilities, ObjectInfo

__all__ = ["MemoryStore", "open_memory"]

_Names = list[str]


_stores: "dict[str, MemoryStore]" = {}


def open_memory(address: StoreAddress) -> "MemoryStore":
    """Return this process's store of a name."""
    return _stores.setdefault(address.bucket, MemoryStore(address.bucket))


class MemoryStore:
    """An object store in a dictionary.

    Parameters
    ----------
    name : str
        Its name, for the URL.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MemoryStore({self.name!r})"

    @property
    def url(self) -> str:
        """``memory://`` and the name."""
        return f"memory://{self.name}"

    @property
    def capabilities(self) -> Capabilities:
        """See :attr:`~flow_sdk.store.port.ObjectStore.capabilities`."""
        return Capabilities()

    def get(self, key: str) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get`."""
        found = self._objects.get(check_key(key))
        if found is None:
            raise ObjectMissing("There is no such object in the store.", where=f"{self.url}/{key}")
        return found[0]

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_range`."""
        return self.get(key)[start : start + length]

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """See :meth:`~flow_sdk.store.port.ObjectStore.read_into`."""
        found = self.get_range(key, start, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_many`."""
        for key in keys:
            found = self._objects.get(check_key(key))
            yield None if found is None else found[0]

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put`."""
        entry = (_join_parts(data), time.time())
        with self._lock:
            self._objects[check_key(key)] = entry

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put_if_absent`."""
        entry = (_join_parts(data), time.time())
        with self._lock:
            if self._objects.setdefault(check_key(key), entry) is not entry:
                raise ObjectExists("The object is already in the store.", where=f"{self.url}/{key}")

    def make_durable(self, key: str) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.make_durable`: memory has no power cuts."""
        check_key(key)

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.head`."""
        found = self._objects.get(check_key(key))
        return None if found is None else ObjectInfo(key, len(found[0]), found[1])

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.list`."""
        for key in self._keys(check_prefix(prefix))[:limit]:
            info = self.head(key)
            if info is not None:
                yield info

    def folders(self, prefix: str) -> _Names:
        """See :meth:`~flow_sdk.store.port.ObjectStore.folders`."""
        rest = (key[len(prefix) :] for key in self._keys(check_prefix(prefix)))
        return sorted({name.split("/", 1)[0] for name in rest if "/" in name})

    def delete(self, keys: Iterable[str]) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.delete`."""
        for key in keys:
            with self._lock:
                self._objects.pop(check_key(key), None)

    def _keys(self, prefix: str) -> _Names:
        with self._lock:
            return sorted(key for key in self._objects if key.startswith(prefix))


def _join_parts(data: Buffers) -> bytes:
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
