"""What the code package of a flow is made of: its root, and the folders that the flow's modules are imported from."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from flow_sdk.errors import UsageError
from flow_sdk.store.package.entry import FlowEntry, is_installed
from flow_sdk.store.package.user_modules import UserModule, find_user_modules

__all__ = ["CodeLayout", "find_layout", "resolve_folders"]

BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
"""Files that stand in the top folder of a Python project."""

PROJECT_MARKERS = (*BUILD_FILES, ".git", ".hg", ".flowignore", "requirements.txt")
"""Files and folders that stand in the top folder of a source tree."""


@dataclass(frozen=True, slots=True)
class CodeLayout:
    """What a code package is made of.

    Parameters
    ----------
    entry : FlowEntry
        The flow's file and how it is executed.
    root : str
        Absolute path of the package's root.
    only : str
        The one file or folder of the root that belongs into the package; ``""`` for all of it.
    paths : tuple of str
        The folders that ``sys.path`` begins with on a worker, as :class:`~flow_sdk.plan.model.FlowPlan` holds them.
    modules : tuple of UserModule
        The modules of the user's that the flow imports, its own file first.
    editable : dict of str to str
        The distribution of each top-level module that lies outside of the root and is installed in editable form.
    """

    entry: FlowEntry
    root: str
    only: str = ""
    paths: tuple[str, ...] = ()
    modules: tuple[UserModule, ...] = ()
    editable: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Path of the flow file in the package, with ``/``."""
        return _relative_path(self.entry.file, self.root)

    @property
    def worker_folder(self) -> str:
        """The folder here that corresponds to a task's current folder on a worker."""
        return self.root if self.entry.module else os.path.dirname(resolve_folders(self.entry.file))


def find_layout(entry: FlowEntry, modules: Iterable[str] = (), chosen: str | None = None) -> CodeLayout:
    """Find the root of a flow's code package.

    It is the folder of the script or of the top-level module. Where modules that the flow imports lie outside of that,
    it is the folder of theirs, if that is above, or else the top folder of the project, known by ``PROJECT_MARKERS``.

    Parameters
    ----------
    entry : FlowEntry
        The flow's file.
    modules : iterable of str
        Names of modules that belong to the flow, besides those that the file imports.
    chosen : str, optional
        The root that the user has chosen.

    Raises
    ------
    UsageError
        If the chosen root doesn't hold the flow file.
    """
    base = os.path.realpath(entry.base)
    if chosen is None and is_installed(entry.file):
        return CodeLayout(entry, base, only=_relative_path(entry.file, base).split("/")[0])
    found = find_user_modules(entry, modules)
    outside = [module for module in found if not _is_inside(module.base, base)]
    editable = _find_editable(outside, base) if outside else {}
    root = _chosen_root(chosen, entry) if chosen is not None else _common_root(entry, outside, editable)
    editable = {
        name: dist
        for name, dist in editable.items()
        if any(_top_level_name(module) == name and not _is_inside(module.file, root) for module in outside)
    }
    return CodeLayout(entry, root, "", _import_folders(base, root, found), tuple(found), editable)


def _common_root(entry: FlowEntry, outside: list[UserModule], editable: dict[str, str]) -> str:
    base = os.path.realpath(entry.base)
    root = base
    if entry.module and os.path.basename(base) == "src" and _has_any(os.path.dirname(base), BUILD_FILES):
        root = os.path.dirname(base)
    project = _project_of(base)
    for module in outside:
        folder = os.path.realpath(module.base)
        if _is_inside(base, folder):
            root = min(root, folder, key=len)
        elif (
            project is not None
            and _is_inside(folder, project)
            and (_top_level_name(module) not in editable or _project_of(folder) == project)
        ):
            root = min(root, project, key=len)
    return root


def _chosen_root(chosen: str, entry: FlowEntry) -> str:
    root = os.path.realpath(os.path.expanduser(chosen))
    if not os.path.isdir(root) or not _is_inside(entry.base, root):
        holds = f"the top-level package of {entry.module}" if entry.module else "the flow file"
        raise UsageError(
            f"The root of the code package must be a folder that holds {holds}.",
            seen=root if os.path.isdir(root) else f"no folder {root}",
            where=entry.file,
            help="Correct --package-root, or the setting PACKAGE_ROOT.",
        )
    return root


def _import_folders(base: str, root: str, modules: Iterable[UserModule]) -> tuple[str, ...]:
    """The folders below the root that modules are imported from, in the order of ``sys.path``; ``()`` for the base."""
    loaded = (
        UserModule(name, file)
        for name, module in list(sys.modules.items())
        if name != "__main__"
        and isinstance(file := getattr(module, "__file__", None), str)
        and not is_installed(file)
        and _is_inside(file, root)
    )
    used = {os.path.realpath(module.base) for module in (*modules, *loaded) if _is_inside(module.base, root)}
    order = [os.path.realpath(folder or ".") for folder in sys.path]
    rest = sorted(used - {base}, key=lambda folder: (order.index(folder) if folder in order else len(order), folder))
    rest = [folder for folder in rest if folder in order]
    return tuple(_relative_path(folder, root) for folder in (base, *rest)) if rest else ()


def _find_editable(modules: Iterable[UserModule], base: str) -> dict[str, str]:
    """Find which top-level modules are installed in editable form, or lie beside the metadata of a distribution."""
    import importlib.metadata
    import json
    import urllib.parse

    folders: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        text = distribution.read_text("direct_url.json")
        try:
            url = json.loads(text)["url"] if text else ""
        except (ValueError, KeyError, TypeError):
            continue
        if url.startswith("file://"):
            folder = os.path.realpath(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
            folders[folder] = distribution.metadata["Name"] or ""
    owned = {}
    for module in modules:
        owners = [folder for folder in folders if _is_inside(module.file, folder)]
        if owners:
            owned[_top_level_name(module)] = folders[max(owners, key=len)]
        else:
            beside = importlib.metadata.distributions(path=[module.base])
            names = [found.metadata["Name"] for found in beside if _has_module(found, module)]
            if names and not _is_inside(base, os.path.realpath(module.base)):
                owned[_top_level_name(module)] = names[0] or ""
    return owned


def _has_module(distribution: object, module: UserModule) -> bool:
    """Return whether a distribution has a module among its files, or among the top-level modules it names."""
    text = distribution.read_text("top_level.txt") or ""  # type: ignore[attr-defined]
    files = distribution.files or ()  # type: ignore[attr-defined]
    top = _top_level_name(module)
    return top in text.split() or any(str(file).split("/")[0] in (top, f"{top}.py") for file in files)


def _top_level_name(module: UserModule) -> str:
    return module.name.partition(".")[0]


def _project_of(folder: str) -> str | None:
    """The nearest folder, at or above this one, that a marker names as the top of a source tree."""
    while not _has_any(folder, PROJECT_MARKERS):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder


def _has_any(folder: str, names: Iterable[str]) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in names)


def _is_inside(path: str, folder: str) -> bool:
    """Return whether a path is a folder, or lies in it."""
    return (resolve_folders(path) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def _relative_path(path: str, root: str) -> str:
    return os.path.relpath(resolve_folders(path), root).replace(os.sep, "/")


def resolve_folders(path: str) -> str:
    """Return a path whose folders are no links; the file itself may be one, as its name is what it is imported by."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.realpath(path) if os.path.isdir(path) else os.path.join(os.path.realpath(folder), name)
