"""The store that a command works with."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.config import DATASTORES, expand_home
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from flow_sdk.cli.command_line import CommandLine
    from flow_sdk.store.address import StoreAddress

__all__ = ["StoreContext", "find_store_root"]


class StoreContext:
    """The store of the command line, else of the settings.

    Parameters
    ----------
    line : CommandLine
        The command line.
    """

    def __init__(self, line: CommandLine) -> None:
        self._line = line

    @property
    def root(self) -> str:
        """The store's address, in its one form: from the options, else from the settings."""
        root = find_store_root(self._line["datastore"] or self._line["metadata"], self._line["datastore-root"])
        if "://" not in root:
            return root
        from flow_sdk.store.address import StoreAddress

        address = StoreAddress.parse(root)
        return address.url if address.is_remote else root

    @property
    def address(self) -> StoreAddress:
        """The store's address in its parts."""
        from flow_sdk.store.address import StoreAddress

        return StoreAddress.parse(self.root)

    def existing_root(self) -> str:
        """Return the store's address, known to exist: reading results makes no store.

        Raises
        ------
        StoreUnavailable
            If there is none.
        """
        from flow_sdk.store.open_store import open_store

        open_store(self.root, create=False)
        return self.root


def find_store_root(kind: str | None, root: str | None) -> str:
    """Return the address of the store.

    Parameters
    ----------
    kind : {"local", "s3", "gs", "azure"} or None
        What ``--datastore`` says.
    root : str or None
        What ``--datastore-root`` says.

    Raises
    ------
    UsageError
        If the two contradict each other, or the setting of that kind has no address.
    """
    if root is not None:
        scheme = root.partition("://")[0] if "://" in root else "file"
        if not root or (kind is not None and DATASTORES[kind] != scheme):
            wanted = "a folder" if kind in (None, "local") else f"an address such as {DATASTORES[kind]}://bucket/prefix"
            raise UsageError(f"--datastore-root can't be {root!r}.", wanted=wanted)
        return root if "://" in root else os.path.abspath(expand_home(root))
    from flow_sdk.default_store import datastore_root

    return datastore_root(kind)
