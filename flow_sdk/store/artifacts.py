"""Artifacts: store and load values; small ones are in the record itself."""

import sys
from collections.abc import Sequence
from typing import Any

from flow_sdk.errors import SerializationError, StoreError
from flow_sdk.store.blobs import item_pack as item_pack
from flow_sdk.store.blobs.blob import Payload, digest_of, read_blob, write_blob
from flow_sdk.store.blobs.frame_format import damage_error
from flow_sdk.store.pickling.codecs import Encoded, decode_value, encode_value
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.model import ArtifactRef, SplitItems

__all__ = ["INLINE", "Artifacts"]

INLINE = 2048
"""The largest payload, in bytes, that is stored in the record itself."""


class Artifacts:
    """The artifacts in a store.

    Parameters
    ----------
    store : ObjectStore
        The store.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def save(self, value: Any, *, where: str) -> ArtifactRef:
        """Store a value.

        Parameters
        ----------
        value : object
            Any value that can be pickled.
        where : str
            Step and artifact, such as ``step fit, artifact model``, for errors.

        Returns
        -------
        ArtifactRef
            How to load it.

        Raises
        ------
        SerializationError
            If the value can't be turned into bytes.
        StoreError
            If the store can't take it.
        """
        encoded = encode_value(value, where=where)
        return self._store_encoded(encoded, digest_of(encoded.parts))

    def save_again(self, value: Any, loaded: ArtifactRef, *, where: str) -> ArtifactRef:
        """Store a value that was loaded, if it was changed.

        Parameters
        ----------
        value : object
            The value, perhaps changed in place.
        loaded : ArtifactRef
            What it was loaded from.
        where : str
            As for :meth:`save`.

        Returns
        -------
        ArtifactRef
            ``loaded`` if the value is unchanged, even if it pickles to other bytes now.

        Raises
        ------
        SerializationError, StoreError
            As :meth:`save` does.
        """
        from flow_sdk.store.pickling.comparison import was_only_read

        encoded = encode_value(value, where=where)
        digest = digest_of(encoded.parts)
        same = (digest.hex(), encoded.codec) == (loaded.hash, loaded.codec)
        if same or was_only_read(value, encoded, lambda: self.load(loaded, where=where)):
            return loaded
        return self._store_encoded(encoded, digest)

    def _store_encoded(self, encoded: Encoded, digest: bytes) -> ArtifactRef:
        if encoded.size <= INLINE:
            payload = b"".join(encoded.parts)
            return ArtifactRef(digest.hex(), len(payload), encoded.codec, encoded.type, payload)
        write_blob(self.store, encoded.parts, digest, description=_describe_encoding(encoded))
        return ArtifactRef(digest.hex(), encoded.size, encoded.codec, encoded.type)

    def are_equal(self, one: ArtifactRef, other: ArtifactRef, *, where: str) -> bool:
        """Return whether two stored values are equal in all that is stored of them; False where they can't be loaded.

        Parameters
        ----------
        one, other : ArtifactRef
            The values.
        where : str
            As for :meth:`load`.
        """
        from flow_sdk.store.pickling.comparison import are_equal

        if one.is_same(other):
            return True
        if one.type != other.type or one.codec != other.codec or one.codec in ("bytes", "str"):
            return False
        try:
            return are_equal(self.load(one, where=where), self.load(other, where=where))
        except SerializationError:
            return False

    def load(self, ref: ArtifactRef, *, where: str, safe: bool = False) -> Any:
        """Load a value.

        Parameters
        ----------
        ref : ArtifactRef
            What :meth:`save` returned.
        where : str
            Run, step and artifact, for errors.
        safe : bool
            Whether to refuse to unpickle.

        Returns
        -------
        object
            The value; it shares no memory with anything else.

        Raises
        ------
        ObjectMissing
            If its blob isn't there.
        IntegrityError
            If a byte of it doesn't verify.
        SerializationError
            If it can't be loaded here, or not safely.
        """
        if safe and ref.codec not in ("bytes", "str"):
            return decode_value(ref.codec, b"", where=where, safe=True)
        payload: Payload
        if ref.inline is None:
            payload = read_blob(self.store, ref.hash, ref.size, where=where)
        else:
            payload = ref.inline
            if digest_of((payload,)).hex() != ref.hash:
                raise damage_error("its bytes don't have the hash in its record", where)
        if len(payload) != ref.size:
            raise damage_error(f"{len(payload):,} bytes instead of {ref.size:,}", where)
        return decode_value(ref.codec, payload, where=where, safe=safe)

    def save_items(self, values: Sequence[Any], *, where: str) -> SplitItems:
        """Store the items of a foreach so that each can be loaded alone.

        Parameters
        ----------
        values : sequence
            The items, at least one.
        where : str
            Step and artifact, for errors.

        Returns
        -------
        SplitItems
            How to load them.
        """
        if not values:
            raise StoreError("A foreach over nothing has no items to store.", where=where)
        encoded = [encode_value(value, where=f"{where}[{index}]") for index, value in enumerate(values)]
        return SplitItems(item_pack.write_items(self.store, encoded), len(encoded))

    def load_item(self, items: SplitItems, index: int, *, where: str) -> Any:
        """Load one item of a foreach.

        Parameters
        ----------
        items : SplitItems
            What :meth:`save_items` returned.
        index : int
            Which item, from 0.
        where : str
            Run, step and artifact, for errors.

        Returns
        -------
        object
            The item.
        """
        if not 0 <= index < items.count:
            raise StoreError("There is no such item.", seen=str(index), wanted=f"0 to {items.count - 1}", where=where)
        codec, payload = item_pack.read_item(self.store, items.hash, items.count, index, where=where)
        return decode_value(codec, payload, where=f"{where}[{index}]")

    def put_bytes(self, data: bytes) -> str:
        """Store bytes as a blob; returns their hash, 64 hexadecimal digits."""
        digest = digest_of((data,))
        write_blob(self.store, (data,), digest)
        return digest.hex()

    def get_bytes(self, hash: str, *, where: str) -> bytes:
        """Read a blob.

        Parameters
        ----------
        hash : str
            What :meth:`put_bytes` returned.
        where : str
            What is being read, for errors.

        Returns
        -------
        bytes
            The bytes, verified.
        """
        return bytes(read_blob(self.store, hash, None, where=where))


def _describe_encoding(encoded: Encoded) -> bytes:
    import json

    module = encoded.type.partition(".")[0]
    version = getattr(sys.modules.get(module), "__version__", None)
    description = {"codec": encoded.codec, "python": "{}.{}.{}".format(*sys.version_info), "type": encoded.type[:500]}
    if isinstance(version, str):
        description["modules"] = {module: version[:100]}  # type: ignore[assignment]
    return json.dumps(description, separators=(",", ":")).encode()
