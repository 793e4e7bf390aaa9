"""Data files that a flow reads by a literal relative path: a worker lacks those that the package leaves out."""

import ast
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flow_sdk.store.package.code_layout import CodeLayout
from flow_sdk.store.package.entry import is_package_file
from flow_sdk.store.package.user_modules import parse_source

__all__ = ["DataFile", "data_files_left_out", "literal_paths"]

_WRITES = ("to_", "save", "write", "dump", "print", "mkdir", "makedirs", "touch", "remove", "unlink", "rmtree")
"""What functions begin with that don't read the file they are called with."""
_STORED_AT_CREATE = ("IncludeFile", "Config")
"""What reads a file when a flow is deployed, so that its content travels otherwise."""
_IN_PACKAGE = ("files", "get_data", "read_text", "read_binary", "open_text", "open_binary", "path")
"""Functions of ``importlib.resources`` and ``pkgutil`` whose first argument names the package that the file lies in."""
_JOINS = ("join", "joinpath", "Path", "PurePath", "PosixPath")
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that the flow's source names.

    Parameters
    ----------
    name : str
        The path as the source has it.
    path : str
        Absolute path of the file here.
    where : str
        ``file:line`` of the source.
    """

    name: str
    path: str
    where: str


def data_files_left_out(layout: CodeLayout, packaged: Iterable[str]) -> list[DataFile]:
    """Find the files that the flow reads by a literal relative path and that its package leaves out.

    A path counts if it names a file in the folder that corresponds to a task's current folder, in the folder of the
    source file, in the current folder, or in a package that the source reads resources of.

    Parameters
    ----------
    layout : CodeLayout
        What the package is made of.
    packaged : iterable of str
        Paths of the files in the package.
    """
    travels = {os.path.realpath(path) for path in packaged}
    found: dict[str, DataFile] = {}
    for module in layout.modules:
        if os.path.realpath(module.file) not in travels:
            continue
        tree = parse_source(module.file)
        packages = [] if tree is None else _package_folders(tree, layout)
        folders = dict.fromkeys((layout.worker_folder, os.path.dirname(module.file), os.getcwd(), *packages))
        for name, line in literal_paths(tree) if tree is not None else ():
            paths = [path for folder in folders if (path := _file_at(folder, name)) is not None]
            if paths and not travels.intersection(paths):
                found.setdefault(paths[0], DataFile(name, paths[0], f"{module.file}:{line}"))
    return sorted(found.values(), key=lambda file: file.name)


def _package_folders(tree: ast.AST, layout: CodeLayout) -> Iterator[str]:
    """Find the folders of the user's packages whose resources a source reads, as far as it names them itself."""
    files = {module.name: module.file for module in layout.modules}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args and _called_name(node) in _IN_PACKAGE):
            continue
        given = node.args[0]
        name = _literal_path(given) if isinstance(given, ast.Constant) else ast.unparse(given)
        if not name or not all(part.isidentifier() for part in name.split(".")):
            continue
        if is_package_file(files.get(name, ""), name):
            yield os.path.dirname(files[name])
        for base in layout.paths or (".",):
            yield os.path.join(layout.root, base, *name.split("."))


def _file_at(folder: str, name: str) -> str | None:
    path = os.path.realpath(os.path.join(folder, name))
    return path if os.path.isfile(path) else None


def literal_paths(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Find the relative paths that a source reads from, as far as they are literals.

    These are arguments of calls, constants that a name is bound to, and what ``Path(...) / "x"`` and
    ``os.path.join(folder, "x")`` add to a folder. What is only written to isn't among them.

    Yields
    ------
    (str, int)
        The path and its line.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            if _is_never_read(node):
                owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
                inner = [*owner, *node.args, *(keyword.value for keyword in node.keywords)]
                waiting += [value for value in inner if _literal_path(value) is None]
                continue
            waiting += [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
            given = [node] if _called_name(node) in _JOINS else [*node.args, *(k.value for k in node.keywords)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            given = [node]
            waiting += ast.iter_child_nodes(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            given = [node.value] if isinstance(node.value, ast.Constant) else []
            waiting += ast.iter_child_nodes(node)
        else:
            waiting += ast.iter_child_nodes(node)
        for value in given:
            path = _literal_path(value)
            if path and len(path) <= _LONGEST and not os.path.isabs(path) and "\0" not in path and "\n" not in path:
                yield path, value.lineno


def _literal_path(node: ast.expr) -> str | None:
    """The literal part of a path; None if there is none, or what follows isn't literal."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts: list[ast.expr] = [node.left, node.right]
    elif isinstance(node, ast.Call) and _called_name(node) in _JOINS:
        owner = node.func.value if isinstance(node.func, ast.Attribute) and _called_name(node) == "joinpath" else None
        parts = [*([owner] if owner is not None else []), *node.args]
    else:
        return None
    texts = [_literal_path(part) for part in parts]
    while texts and texts[0] is None:
        del texts[0]  # a folder that isn't known, such as Path(__file__).parent
    known = [text for text in texts if text is not None]
    return os.path.join(*known) if known and len(known) == len(texts) else None


def _called_name(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_never_read(node: ast.Call) -> bool:
    """Return whether a call writes to its file, deletes it, or is one whose file is read when the flow is deployed."""
    name = _called_name(node)
    if name == "open":
        position = 0 if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call) else 1
        modes = [*node.args[position : position + 1], *(k.value for k in node.keywords if k.arg == "mode")]
        return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax") for mode in modes)
    return name.startswith(_WRITES) or name in _STORED_AT_CREATE
