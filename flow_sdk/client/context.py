"""What the user of the client chose: namespace, store, safe mode. One choice per process, as in a notebook."""

import os

from flow_sdk.config import DATASTORES, LOCAL_FOLDER, expand_home
from flow_sdk.errors import ConfigError

__all__ = [
    "NAMESPACE_VARIABLE",
    "STORE_VARIABLE",
    "current_store",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "is_safe",
    "metadata",
    "namespace",
    "safe_mode",
]

NAMESPACE_VARIABLE = "FLOW_SDK_NAMESPACE"
"""Set inside a running task to its run's namespace; empty means all."""

STORE_VARIABLE = "FLOW_SDK_STORE"
"""Set inside a running task to the URL of its run's store."""

_FORMS = "local@/folder, s3@bucket/prefix, a folder or a URL"


class _Choice:
    """What was chosen so far; what wasn't comes from the environment and the configuration."""

    def __init__(self) -> None:
        self.namespace: str | None = None
        self.has_namespace = False
        self.store: str | None = None
        self.safe = False


_choice = _Choice()


def namespace(ns: str | None) -> str | None:
    """Choose the namespace that filters what the client shows.

    Parameters
    ----------
    ns : str or None
        Any tag, such as ``user:anne`` or ``production:<token>``; None or ``""`` for the global namespace, which shows
        everything.

    Returns
    -------
    str or None
        The namespace chosen; None is the global one.
    """
    if ns is not None and (not isinstance(ns, str) or not _is_utf8(ns)):
        raise ConfigError("A namespace is a tag.", seen=ascii(ns), wanted="a text such as 'user:anne', or None for all")
    _choice.namespace, _choice.has_namespace = ns or None, True
    return _choice.namespace


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def get_namespace() -> str | None:
    """Return the current namespace; None is the global one."""
    return _choice.namespace if _choice.has_namespace else _default_namespace()


def default_namespace() -> str | None:
    """Go back to the default namespace, ``user:<name>`` (in a running task: its run's), and return it."""
    _choice.namespace, _choice.has_namespace = None, False
    return get_namespace()


def _default_namespace() -> str | None:
    given = os.environ.get(NAMESPACE_VARIABLE)
    if given is not None:
        return given or None
    from flow_sdk import config

    return f"user:{config.user_name()}"


def metadata(url: str) -> str:
    """Choose the store that the client reads.

    Parameters
    ----------
    url : str
        A store's URL, a folder, or a short form: ``local@/folder``, ``s3@bucket/prefix``, ``gs@bucket/prefix`` or
        ``azure@container/prefix``. A folder is a store's own, or one with a store in its ``.flow_sdk``. ``local``,
        ``s3``, ``gs`` and ``azure`` alone mean the store of that kind in the settings.

    Returns
    -------
    str
        The choice in its short form, as :func:`get_metadata` gives it.

    Raises
    ------
    ConfigError
        If it names no store.
    """
    _choice.store = store_url(url)
    return get_metadata()


def get_metadata() -> str:
    """Return the store that the client reads, as ``local@/folder``, ``s3@bucket/prefix`` or its URL."""
    from flow_sdk.store.address import StoreAddress

    return StoreAddress.parse(current_store()).short_form


def default_metadata() -> str:
    """Go back to the configured store and return it as :func:`get_metadata` does."""
    _choice.store = None
    return get_metadata()


def current_store() -> str:
    """Return the URL or folder of the store that the client reads."""
    if _choice.store is not None:
        return _choice.store
    given = os.environ.get(STORE_VARIABLE)
    if given:
        return given
    from flow_sdk import default_store

    return default_store.datastore_root()


def store_url(text: str) -> str:
    """The URL or folder of a store that is named in any of the forms that :func:`metadata` takes."""
    if not isinstance(text, str):
        raise ConfigError(
            "This names no store.",
            seen=repr(text),
            wanted="local@/folder or s3@bucket/prefix",
            help="default_metadata() goes back to the store of your settings.",
        )
    kind, at, rest = text.partition("@")
    if kind == "service":
        raise ConfigError(
            "This names no store: there is no metadata service, and runs are found through the store itself.",
            seen=repr(text),
            wanted=_FORMS,
        )
    if text in DATASTORES:
        return _default_of_kind(text)
    if at and "/" not in kind and ":" not in kind:
        if kind not in DATASTORES or not rest:
            raise ConfigError("This names no store.", seen=repr(text), wanted=_FORMS)
        if "://" in rest:
            return rest
        return _folder_of_store(rest) if kind == "local" else f"{DATASTORES[kind]}://{rest}"
    if not text:
        raise ConfigError("This names no store.", seen="an empty text", wanted="local@/folder or s3@bucket/prefix")
    if "://" in text:
        return text
    if os.path.basename(text) == text and not text.startswith("~") and not os.path.isdir(text):
        raise ConfigError(
            "There is no such folder.",
            seen=repr(text),
            wanted=_FORMS,
            where=os.getcwd(),
        )
    return _folder_of_store(text)


def _default_of_kind(kind: str) -> str:
    """The store of a kind that the settings name."""
    from flow_sdk import default_store

    try:
        return default_store.datastore_root(kind)
    except ConfigError as error:
        error.help = (
            f"Give the address, such as metadata('{kind}@bucket/prefix'), or set "
            f"FLOW_SDK_DATASTORE_SYSROOT_{kind.upper()}."
        )
        raise


def _folder_of_store(path: str) -> str:
    """The folder of the store that a folder is, or holds as a flow's folder does."""
    folder = os.path.abspath(expand_home(path))
    below = os.path.join(folder, LOCAL_FOLDER)
    return below if _is_store(below) and not _is_store(folder) else folder


def _is_store(folder: str) -> bool:
    from flow_sdk.store.records.layout import STORE_MARKER

    return os.path.isfile(os.path.join(folder, STORE_MARKER))


def safe_mode(on: bool = True) -> bool:
    """Choose whether artifacts that would have to be unpickled are refused.

    Unpickling runs code that the artifact's author chose. In safe mode text, bytes and Arrow tables can be
    read, everything else raises SerializationError.

    Parameters
    ----------
    on : bool
        True to refuse.

    Returns
    -------
    bool
        What holds now.
    """
    _choice.safe = bool(on)
    return _choice.safe


def is_safe() -> bool:
    """Return whether safe mode is on."""
    return _choice.safe
