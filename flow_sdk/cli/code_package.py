"""The code package that a command makes: what is in it, and what a worker would lack."""

from __future__ import annotations

import os
import shlex
from functools import cached_property
from typing import TYPE_CHECKING

from flow_sdk.config import read_setting
from flow_sdk.errors import UsageError
from flow_sdk.store.package.archive import LIMIT, PackagedFile, build_archive, find_files
from flow_sdk.store.package.code_layout import CodeLayout, find_layout, resolve_folders
from flow_sdk.store.package.data_files import DataFile, data_files_left_out
from flow_sdk.store.package.ignore_rules import IGNORE_FILE

if TYPE_CHECKING:
    from flow_sdk.cli.context import CommandContext
    from flow_sdk.store.package.user_modules import UserModule

__all__ = ["FlowCode", "size_text"]

HUGE = 20 << 20
"""The size of a package, in bytes, that a command warns of."""

_MOST_NAMED = 5


class FlowCode:
    """The code package of a command's flow.

    Parameters
    ----------
    context : CommandContext
        The command.
    """

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._found: dict[tuple[str, ...], list[PackagedFile]] = {}

    @cached_property
    def layout(self) -> CodeLayout:
        """What the package is made of."""
        chosen = self._context["package-root"] or read_setting("PACKAGE_ROOT").value
        modules = (base.__module__ for base in self._context.flow_class.__mro__ if base.__module__ != "__main__")
        return find_layout(self._context.entry, modules, chosen or None)

    def list_files(self, leave_out: tuple[str, ...] = ()) -> list[PackagedFile]:
        """Find the files of the package, without those whose paths are given."""
        if leave_out not in self._found:
            self._found[leave_out] = find_files(
                self.layout.root,
                suffixes=self._context.suffixes,
                leave_out=leave_out,
                only=self.layout.only,
                also=(self.layout.entry.file,),
            )
        return self._found[leave_out]

    def build_package(self, leave_out: tuple[str, ...] = ()) -> bytes:
        """Make the package."""
        return build_archive(self.layout.root, self.list_files(leave_out))

    def build_for_workers(self, leave_out: tuple[str, ...] = ()) -> bytes:
        """Make the package for workers.

        Raises
        ------
        UsageError
            If the flow imports modules that a worker won't have, or the package would be too large.
        """
        files = self.list_files(leave_out)
        self.check_modules(files)
        return build_archive(self.layout.root, files)

    def log_summary(self, package: bytes, leave_out: tuple[str, ...] = ()) -> None:
        """Log the size of the package, its root if it isn't the flow file's folder, and what workers would lack."""
        files = self.list_files(leave_out)
        root = self.layout.root
        of = "" if root == self.layout.worker_folder and not self.layout.only else f" of {root}"
        count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
        self._context.log(f"Code package: {count}{of}, {size_text(len(package))}.")
        for line in self.find_warnings(files):
            self._context.log(line)

    def check_modules(self, files: list[PackagedFile]) -> None:
        """Refuse modules of the user's that are neither in the package nor known to be on workers.

        Raises
        ------
        UsageError
            With each such module, where it is imported, and what to do.
        """
        packaged = {resolve_folders(file.path) for file in files}
        known = _worker_modules()
        missing = [
            module
            for module in self.layout.modules
            if resolve_folders(module.file) not in packaged
            and module.name.partition(".")[0] not in (*known, *self.layout.editable)
        ]
        if missing:
            raise self._missing_modules(missing)

    def _missing_modules(self, missing: list[UserModule]) -> UsageError:
        root = self.layout.root
        named = [
            f"{module.name or os.path.basename(module.file)} ({module.file}"
            + (f", imported at {_relative_location(module.imported_by)})" if module.imported_by else ")")
            for module in missing[:_MOST_NAMED]
        ]
        more = len(missing) - len(named)
        outside = [module for module in missing if not _lies_in(module.file, root)]
        names = ",".join(dict.fromkeys(module.name.partition(".")[0] for module in missing if module.name))
        if outside:
            common = os.path.commonpath([root, *(os.path.realpath(module.base) for module in outside)])
            way = f"Choose the package's root with --package-root {shlex.quote(common)}, or make them a distribution "
            way += "and install it here and on the workers."
        else:
            suffixes = {suffix for module in missing if (suffix := os.path.splitext(module.file)[1]) not in (".py", "")}
            way = (
                f"Take them with {self._suffix_option(suffixes)}." if suffixes else f"Don't name them in {IGNORE_FILE}."
            )
            way += " Hidden files and folders, virtual environments and keys never travel."
        if names:
            way += f" If workers have them, set FLOW_SDK_WORKER_MODULES={names}."
        return UsageError(
            "The flow imports modules that a worker wouldn't have.",
            seen="; ".join(named) + (f"; and {more} more" if more > 0 else ""),
            wanted=f"modules in the code package, whose root is {root}, or in an installed distribution",
            where=self.layout.entry.file,
            help=way,
        )

    def find_warnings(self, files: list[PackagedFile]) -> list[str]:
        """Return what may be missing on a worker, one text for each kind."""
        lines = []
        known = _worker_modules()
        for module, distribution in self.layout.editable.items():
            if module not in known:
                lines.append(
                    f"Warning: module {module} isn't in the code package: distribution {distribution or module} is "
                    "installed here in editable form, from outside of the package's root. Install it on the workers "
                    f"(and set FLOW_SDK_WORKER_MODULES={module}), or choose a --package-root that holds it."
                )
        lines += self._data_warnings(data_files_left_out(self.layout, [file.path for file in files]))
        size = sum(file.size for file in files)
        if size > HUGE:
            largest = sorted(files, key=lambda file: -file.size)[:_MOST_NAMED]
            named = ", ".join(f"{file.name} {size_text(file.size)}" for file in largest)
            lines.append(
                f"Warning: the code package has {size_text(size)} of at most {size_text(LIMIT)}; each worker gets it. "
                f"The largest files: {named}. Name in {IGNORE_FILE} what isn't needed."
            )
        return lines

    def _data_warnings(self, left_out: list[DataFile]) -> list[str]:
        def listed(files: list[DataFile]) -> str:
            named = ", ".join(f"{file.name} ({_relative_location(file.where)})" for file in files[:_MOST_NAMED])
            return named + (f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else "")

        inside = [file for file in left_out if _lies_in(file.path, self.layout.root)]
        suffixes = {os.path.splitext(file.path)[1] or os.path.basename(file.path) for file in inside}
        taken = {file.path for file in inside} & self._with_suffixes(suffixes)
        by_suffix = [file for file in inside if file.path in taken]
        never = [file for file in left_out if file.path not in taken]
        lines = []
        if by_suffix:
            own = {os.path.splitext(file.path)[1] or os.path.basename(file.path) for file in by_suffix}
            lines.append(
                f"Warning: the flow opens files that aren't in the code package, so a worker won't find them: "
                f"{listed(by_suffix)}. To include them: {self._suffix_option(own)}"
            )
        if never:
            lines.append(
                f"Warning: the flow opens files that no code package can hold, as they lie outside of its root or are "
                f"left out by rule: {listed(never)}. Use IncludeFile or S3 for them; see docs/code-package.md."
            )
        return lines

    def _with_suffixes(self, suffixes: set[str]) -> set[str]:
        """Paths of the files that further suffixes would bring into the package."""
        if not suffixes:
            return set()
        found = find_files(self.layout.root, suffixes=(*self._context.suffixes, *suffixes))
        return {os.path.realpath(file.path) for file in found}

    def _suffix_option(self, suffixes: set[str]) -> str:
        return "--package-suffixes " + shlex.quote(",".join((*self._context.suffixes, *sorted(suffixes))))


def size_text(size: int) -> str:
    """Return a size in bytes as text: ``512 B``, ``1.5 KiB``."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 2**10:,.1f} KiB" if size < 1000 << 10 else f"{size / 2**20:,.1f} MiB"


def _worker_modules() -> tuple[str, ...]:
    value = read_setting("WORKER_MODULES").value or ""
    return tuple(part.strip().partition(".")[0] for part in value.split(",") if part.strip())


def _relative_location(location: str) -> str:
    """Return a location in a source, relative to the current folder if it is inside."""
    relative = os.path.relpath(location)
    return location if relative.startswith("..") else relative


def _lies_in(path: str, folder: str) -> bool:
    return resolve_folders(path).startswith(folder.rstrip(os.sep) + os.sep)
