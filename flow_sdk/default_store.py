"""Which store is used where none is given: its kind and its address, from the settings and the folders above."""

from __future__ import annotations

import os

from flow_sdk.config import DATASTORES, LOCAL_FOLDER, Setting, expand_home, read_setting
from flow_sdk.errors import ConfigError

__all__ = ["datastore_kind", "datastore_root"]

_TITLES = {"s3": "S3", "gs": "Google Cloud Storage", "azure": "Azure Blob Storage"}


def datastore_kind() -> str:
    """Return the kind of the store that is used by default: a key of :data:`DATASTORES`.

    Raises
    ------
    ConfigError
        If the setting names another.
    """
    setting = read_setting("DEFAULT_DATASTORE")
    if setting.value is not None and setting.value not in DATASTORES:
        raise ConfigError(
            "The datastore can't be used.",
            seen=repr(setting.value),
            wanted=" or ".join(DATASTORES),
            where=setting.source,
        )
    return setting.value or "local"


def datastore_root(kind: str | None = None) -> str:
    """Return the address of the store.

    Parameters
    ----------
    kind : {"local", "s3", "gs", "azure"}, optional
        Of which store; the default one otherwise.

    Returns
    -------
    str
        A folder's absolute path, or an address such as ``s3://bucket/prefix``. The local store lies in the setting
        ``DATASTORE_SYSROOT_LOCAL``, else in the nearest folder
        ``.flow_sdk`` that is a store, here or above, else in ``.flow_sdk`` here. One above that belongs to another
        user isn't used, and a line on stderr says so.

    Raises
    ------
    ConfigError
        If a bucket is wanted and no address is set.
    """
    kind = kind or datastore_kind()
    setting = read_setting(f"DATASTORE_SYSROOT_{kind.upper()}")
    if kind != "local":
        return _bucket_root(kind, setting)
    if setting.value:
        return os.path.abspath(expand_home(setting.value))
    here = folder = os.getcwd()
    while True:
        store = os.path.join(folder, LOCAL_FOLDER)
        if os.path.exists(os.path.join(store, "store.json")) and (folder == here or _is_own(store)):
            return store
        above = os.path.dirname(folder)
        if above == folder:
            return os.path.join(here, LOCAL_FOLDER)
        folder = above


def _bucket_root(kind: str, setting: Setting) -> str:
    """Return the address in a setting of a kind that lies in a bucket."""
    scheme = DATASTORES[kind]
    root = setting.value
    if kind == "azure" and root and "://" not in root:
        root = f"{scheme}://{root}"  # Metaflow's form: container/prefix
    if not root or not root.startswith(f"{scheme}://"):
        raise ConfigError(
            f"It isn't known where in {_TITLES[kind]} to keep artifacts.",
            seen=repr(setting.value) if setting.value else None,
            wanted=f"an address such as {scheme}://bucket/prefix",
            where=setting.source if setting.value else None,
            help=f"Give --datastore-root, or set FLOW_SDK_DATASTORE_SYSROOT_{kind.upper()}.",
        )
    return root


_passed_over: set[str] = set()


def _is_own(folder: str) -> bool:
    """Return whether a folder belongs to this user; print another owner on stderr.

    The owner of a store can put values into it that run code when they are loaded, and a folder above, such as
    ``/tmp``, may belong to any user.
    """
    owner = os.stat(folder).st_uid
    if _may_use(owner, os.geteuid(), os.environ.get("SUDO_UID")):
        return True
    if folder not in _passed_over:
        _passed_over.add(folder)
        import sys

        print(
            f"The store {ascii(folder)[1:-1]} belongs to another user (uid {owner}) and isn't used. "
            "To use it, give it as --datastore-root, or set FLOW_SDK_DATASTORE_SYSROOT_LOCAL.",
            file=sys.stderr,
        )
    return False


def _may_use(owner: int, user: int, sudo: str | None) -> bool:
    """Return whether a folder's owner is the user, or the one who called ``sudo`` for root."""
    return owner == user or (user == 0 and str(owner) == sudo)
