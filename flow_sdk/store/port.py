"""The object store port: the few operations everything else rests on."""

import builtins
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Buffers", "Capabilities", "ObjectInfo", "ObjectStore"]

Buffers = bytes | bytearray | memoryview | Iterable["bytes | bytearray | memoryview"]
"""One object's bytes, or its consecutive parts (written one after the other, never joined in memory)."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it: its key, size in bytes and time of last change
    (seconds since the epoch)."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store is like, as far as its callers choose their ways by it.

    Parameters
    ----------
    is_remote : bool
        Whether objects come over a network: then reading costs as much as writing, several requests at once are
        quicker than one, and bytes may change in transit.
    local_root : str or None
        The folder whose files the objects are; None where objects are no files of this machine.
    """

    is_remote: bool = False
    local_root: str | None = None


class ObjectStore(Protocol):
    """A flat map from keys to immutable-by-convention objects.

    A key is 1 to 1,024 characters ``[A-Za-z0-9_.:+=-]`` in components with ``/`` between them, no component being
    ``.`` or ``..`` or empty; anything else raises :class:`~flow_sdk.errors.StoreError`. All implementations give
    the same results and errors; ``tests/conformance`` holds them to it. Instances are safe to use from several threads
    and renew themselves after a fork.
    """

    @property
    def url(self) -> str:
        """The store's address, in the form that :func:`flow_sdk.store.open_store.open_store` opens."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the store is like; the same for the life of the instance."""
        ...

    def get(self, key: str) -> bytes:
        """Read a whole object. Raises ObjectMissing, and IntegrityError where the store itself finds it changed."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read ``length`` bytes from ``start`` on (fewer at the end of the object). Raises ObjectMissing."""
        ...

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Read from byte ``start`` into a buffer, as far as both reach; returns the count. Raises ObjectMissing."""
        ...

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """Read many objects, several at once; yields in the order of ``keys``, None for a missing one."""
        ...

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """Write an object whole or not at all, replacing what was there.

        With ``durable`` the bytes survive a power cut once this returns.
        """
        ...

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """Write an object only if there is none. Raises ObjectExists.

        Atomic: of any number of racing callers exactly one returns. An unknown outcome (an error after the
        store may have applied the put) is resolved by reading back and comparing.
        """
        ...

    def make_durable(self, key: str) -> None:
        """Make an object durable that was put with ``durable``, even if that put isn't over.

        For a caller that finds an object and relies on it: its writer may have been killed after the object became
        visible and before it became durable. A missing object is no error.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object, or None if there is none."""
        ...

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List objects whose key starts with ``prefix`` (a folder, ending in ``/``, or ""), sorted by key.

        ``limit`` (>= 1) ends the listing after that many objects; a store may request no more of its server.
        """
        ...

    def folders(self, prefix: str) -> builtins.list[str]:
        """Return the names (not keys) of the folders directly below ``prefix``, sorted."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are no error."""
        ...
