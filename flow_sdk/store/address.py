"""Addresses of stores: which kinds of store there are, and what an address says."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from flow_sdk.config import expand_home
from flow_sdk.errors import ConfigError, FlowSDKError, StoreUnavailable
from flow_sdk.store.key_syntax import is_key
from flow_sdk.text import mask_userinfo

if TYPE_CHECKING:
    from flow_sdk.store.port import ObjectStore

__all__ = ["ENTRY_POINTS", "StoreAddress", "StoreKind", "known_kinds"]

ENTRY_POINTS = "flow_sdk.stores"
"""The entry-point group of further kinds: the entry's name is the URL scheme, its object a :class:`StoreKind`."""


@dataclass(frozen=True, slots=True)
class StoreKind:
    """A kind of store.

    Parameters
    ----------
    scheme : str
        What the URLs begin with, such as ``s3``.
    name : str
        What ``--datastore`` and the settings call it.
    title : str
        Its name for people.
    backend : str
        ``module:function``; the function takes the :class:`StoreAddress` and returns the ObjectStore.
    is_remote : bool
        Whether its objects lie in a bucket, and are the same for every machine. Its addresses are
        ``scheme://bucket/prefix``.
    access_variables : tuple of str
        Environment variables that name the account and the server.
    """

    scheme: str
    name: str
    title: str
    backend: str
    is_remote: bool = True
    access_variables: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """An address, for messages."""
        return f"{self.scheme}://bucket/prefix" if self.is_remote else "a folder"


# No "@" and no "?": what belongs to them in other addresses is secret, and addresses are stored and shown.
_BUCKET = re.compile(r"[^\s@?#%\\\x00-\x1f\x7f]+")
_BACKENDS = "flow_sdk.store.backends"
_AWS = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
)
_GOOGLE = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL")
_AZURE = (
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_CLIENT_ID",
)

_KINDS = {
    kind.scheme: kind
    for kind in (
        StoreKind("file", "local", "local folder", f"{_BACKENDS}.local:open_folder", is_remote=False),
        StoreKind("memory", "memory", "memory", f"{_BACKENDS}.memory:open_memory", is_remote=False),
        StoreKind("s3", "s3", "S3", f"{_BACKENDS}.s3:open_s3", access_variables=_AWS),
        StoreKind("gs", "gs", "Google Cloud Storage", f"{_BACKENDS}.gcs:open_gcs", access_variables=_GOOGLE),
        StoreKind("az", "azure", "Azure Blob Storage", f"{_BACKENDS}.azure:open_azure", access_variables=_AZURE),
    )
}


def known_kinds() -> tuple[StoreKind, ...]:
    """Return the kinds of store that come with the SDK."""
    return tuple(_KINDS.values())


@cache
def _installed_kind(scheme: str) -> StoreKind | None:
    """Return the kind that an installed package registers for a scheme."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS, name=scheme):
        package = entry.dist.name if entry.dist else entry.value
        try:
            found = entry.load()
        except (Exception, SystemExit) as error:  # a package's own code runs here
            raise ConfigError(
                f"The kind of store {scheme!r} can't be loaded.",
                seen=f"{type(error).__name__}: {error}",
                where=f"entry point {entry.name} = {entry.value} of the group {ENTRY_POINTS}",
                help=f"Update the package {package}, or uninstall it.",
            ) from error
        if not isinstance(found, StoreKind) or found.scheme != scheme:
            is_kind = isinstance(found, StoreKind)
            kind = f"with the scheme {found.scheme!r}" if is_kind else f"of the class {type(found).__qualname__}"
            raise ConfigError(
                f"The package {package} registers no usable kind of store.",
                seen=f"{entry.value}, an object {kind}",
                wanted=f"a flow_sdk.store.address.StoreKind with the scheme {scheme!r}",
            )
        return found
    return None


@dataclass(frozen=True)
class StoreAddress:
    """Where a store is.

    Parameters
    ----------
    kind : StoreKind
        Of which kind it is.
    bucket : str
        The bucket or container; ``""`` for a folder, the name of a store in memory.
    path : str
        The folder's absolute path, or the prefix in the bucket without ``/`` at its ends.
    """

    kind: StoreKind
    bucket: str
    path: str

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> "StoreAddress":
        """Read an address.

        Parameters
        ----------
        text : str or path
            A folder, ``file:///folder``, ``memory://name``, or ``s3://bucket/prefix`` and the like.

        Raises
        ------
        ConfigError
            If there is no such kind of store or its package is broken, or if the address has no bucket, one with
            characters that no bucket has, or a prefix that no key can begin with.
        """
        text = os.fspath(text)
        scheme, separator, rest = text.partition("://")
        if not separator:
            if not text:
                raise ConfigError("The store's path is empty.", help="Set --datastore-root to a folder.")
            return cls(_KINDS["file"], "", os.path.abspath(expand_home(text)))
        if scheme == "file":
            if not rest.startswith("/"):
                raise ConfigError("A file URL needs an absolute path.", seen=text, wanted="file:///folder")
            return cls(_KINDS["file"], "", os.path.abspath(_unquote_path(rest)))
        kind = _KINDS.get(scheme) or _installed_kind(scheme)
        if kind is None:
            known = [one.example for one in known_kinds() if one.is_remote]
            raise ConfigError(
                f"There is no store of kind {scheme!r}.",
                seen=_mask_address(text),
                wanted=f"a folder, {', '.join(known)} or memory://name",
            )
        if not kind.is_remote:
            return cls(kind, rest, "")
        bucket, _, prefix = rest.partition("/")
        prefix = prefix.strip("/")
        if not _BUCKET.fullmatch(bucket) or (prefix and not is_key(prefix)):
            raise ConfigError(
                f"That isn't an address in {kind.title}.",
                seen=_mask_address(text),
                wanted=f"{kind.scheme}://bucket or {kind.scheme}://bucket/prefix",
            )
        return cls(kind, bucket, prefix)

    @property
    def is_remote(self) -> bool:
        """Whether the store's objects lie in a bucket that other machines see, too."""
        return self.kind.is_remote

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine."""
        return self.kind.scheme == "file"

    @cached_property
    def url(self) -> str:
        """The address as a URL, in its one form."""
        if self.is_local:
            return "file://" + self.path.replace("%", "%25")
        return "/".join(filter(None, (f"{self.kind.scheme}://{self.bucket}", self.path)))

    @property
    def location(self) -> str:
        """The form that people write: a folder's path, else the URL."""
        return self.path if self.is_local else self.url

    @property
    def short_form(self) -> str:
        """The form of the client's ``metadata()``: ``local@/folder``, ``s3@bucket/prefix``, else the URL."""
        if self.is_local:
            return f"local@{self.path}"
        if self.kind.scheme in _KINDS and self.is_remote:
            return f"{self.kind.name}@{self.url.partition('://')[2]}"
        return self.url

    def access_values(self) -> tuple[str | None, ...]:
        """Return the values of the environment variables that say how the store is reached."""
        return tuple(map(os.environ.get, self.kind.access_variables))

    def open_backend(self) -> "ObjectStore":
        """Return the store, not yet checked: see :func:`flow_sdk.store.open_store.open_store`.

        Raises
        ------
        StoreError
            If it can't be reached, or the package that offers this kind of store fails.
        """
        module, _, name = self.kind.backend.partition(":")
        try:
            factory: Callable[[StoreAddress], ObjectStore] = getattr(import_module(module), name)
            return factory(self)
        except FlowSDKError:
            raise
        except (Exception, SystemExit) as error:
            if self.kind.scheme in _KINDS:
                raise
            raise StoreUnavailable(
                f"The package that offers stores in {self.kind.title} can't open this one.",
                seen=f"{type(error).__name__}: {error}",
                where=f"{self.url}, opened by {self.kind.backend}",
                help="Update the package, or report it to those who make it.",
            ) from error


def _mask_address(text: str) -> str:
    """Return an address for a message, without a user, a password, or the signature in a query."""
    address, query, _ = text.partition("?")
    return mask_userinfo(address) + ("?..." if query else "")


def _unquote_path(path: str) -> str:
    if "%" not in path:
        return path
    from urllib.parse import unquote

    return unquote(path)
