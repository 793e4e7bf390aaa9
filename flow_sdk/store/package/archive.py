"""The archive of a code package: the same bytes for the same content on every machine.

The archive is a zip without compression (the store compresses its blobs; compressed bytes would differ from one zlib to
another), names sorted, times fixed, modes 0644 or 0755.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_sdk.errors import IntegrityError, UsageError
from flow_sdk.store.backends.durable_files import make_folders, replace_file, sync_folder
from flow_sdk.store.package.ignore_rules import IGNORE_FILE, IgnoreFile, IgnoreFiles, is_ignored, is_secret

if TYPE_CHECKING:
    import zipfile

__all__ = [
    "LIMIT",
    "SUFFIXES",
    "PackagedFile",
    "build_archive",
    "find_files",
    "list_files",
    "repair_files",
    "unpack_archive",
]

SUFFIXES = (".py", ".R", ".RDS")
"""Endings of files that are packaged by default."""

LIMIT = 100 << 20
"""The largest package, in bytes, unless another limit is given."""

_MOST_ENTRIES = 100_000
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a package.

    Parameters
    ----------
    name : str
        Path in the package, ``/`` between its parts.
    size : int
        Bytes.
    path : str
        Its path on disk; ``""`` for a file that was listed from a package.
    executable : bool
        Whether its owner may run it.
    """

    name: str
    size: int
    path: str = ""
    executable: bool = False


def find_files(
    folder: str,
    *,
    suffixes: Iterable[str] = (),
    leave_out: Iterable[str] = (),
    only: str = "",
    also: Iterable[str] = (),
) -> list[PackagedFile]:
    """Find the files of a folder's package.

    Parameters
    ----------
    folder : str
        The package's root.
    suffixes : iterable of str
        Endings of files to take, besides ``SUFFIXES``.
    leave_out : iterable of str
        Paths of files to leave out, such as a DAG file just written.
    only : str
        The one file or folder of the root to take; ``""`` for all.
    also : iterable of str
        Paths of files to take whatever their ending, such as the flow file.

    Returns
    -------
    list of PackagedFile
        The files, sorted by name. Hidden ones, caches, virtual environments, keys and what the ``.flowignore`` of the
        root or of a folder in it names are left out.

    Raises
    ------
    UsageError
        If the folder can't be read or a link in it leads outside.
    """
    search = _FileSearch(folder, (*SUFFIXES, *suffixes), leave_out, only, also)
    return sorted(search.find_files("", search.root, ()), key=lambda file: file.name.encode("utf-8", "surrogateescape"))


def _read_ignore_file(path: str) -> IgnoreFile:
    try:
        with open(path, encoding="utf-8") as file:
            return IgnoreFile(file.read(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The ignore file can't be read.", seen=str(error), where=path) from error


class _FileSearch:
    def __init__(
        self, folder: str, suffixes: tuple[str, ...], leave_out: Iterable[str], only: str, also: Iterable[str]
    ) -> None:
        self.root = os.path.realpath(folder)
        self.suffixes = tuple(suffix for suffix in suffixes if suffix)
        self.leave_out = {os.path.realpath(path) for path in leave_out}
        self.only = only
        self.also = {os.path.realpath(path) for path in also}
        self.entries = 0
        self.inside: list[str] = []

    def find_files(self, prefix: str, folder: str, ignores: IgnoreFiles) -> Iterator[PackagedFile]:
        real = os.path.realpath(folder)
        if real in self.inside:
            return  # a link to a folder above
        self.inside.append(real)
        entries = self._scan_folder(folder)
        if any(entry.name == IGNORE_FILE for entry in entries):
            ignores = (*ignores, (prefix, _read_ignore_file(os.path.join(folder, IGNORE_FILE))))
        for entry in entries:
            name = prefix + entry.name
            is_folder = entry.is_dir()
            if (self.only and not prefix and entry.name != self.only) or is_ignored(ignores, name, folder=is_folder):
                continue
            if is_folder:
                if entry.is_symlink() and not self._is_inside(entry.path):
                    self._check_linked_folder(entry.path)
                elif not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                    yield from self.find_files(name + "/", entry.path, ignores)
            elif self._is_wanted(entry):
                if entry.is_symlink() and not self._is_inside(entry.path):
                    self._raise_link_error(entry.path)
                status = entry.stat()
                yield PackagedFile(name, status.st_size, entry.path, bool(status.st_mode & stat.S_IXUSR))
        self.inside.pop()

    def _scan_folder(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError("A folder can't be read for the code package.", seen=str(error), where=folder) from error
        self.entries += len(entries)
        if self.entries > _MOST_ENTRIES:
            raise UsageError(
                "The flow file's folder is too large for a code package.",
                seen=f"more than {_MOST_ENTRIES:,} files and folders",
                where=self.root,
                help=f"Put the flow file into a folder of its own, name what to leave out in {IGNORE_FILE}, or choose "
                "a folder with --package-root.",
            )
        return entries

    def _is_wanted(self, entry: os.DirEntry[str]) -> bool:
        return (
            (entry.name.endswith(self.suffixes) or os.path.realpath(entry.path) in self.also)
            and entry.is_file()
            # A link to a secret is a secret.
            and not is_secret(entry.name)
            and not is_secret(os.path.basename(os.path.realpath(entry.path)))
            and os.path.realpath(entry.path) not in self.leave_out
        )

    def _is_inside(self, path: str) -> bool:
        return (os.path.realpath(path) + "/").startswith(self.root.rstrip("/") + "/")

    def _check_linked_folder(self, folder: str) -> None:
        """Raise if a linked folder holds files that would be packaged; linked data is ignored."""
        seen = 0
        for _, _, names in os.walk(folder):
            seen += len(names)
            if any(name.endswith(self.suffixes) for name in names):
                self._raise_link_error(folder)
            if seen > _MOST_ENTRIES:
                return

    def _raise_link_error(self, path: str) -> None:
        raise UsageError(
            "A link in the flow file's folder leads out of it.",
            seen=f"{path} -> {os.path.realpath(path)}",
            where=path,
            help=f"Copy what it leads to into the folder, or name it in {IGNORE_FILE}.",
        )


def build_archive(folder: str, files: Iterable[PackagedFile] | None = None, *, limit: int = LIMIT) -> bytes:
    """Build the code package of a folder.

    Parameters
    ----------
    folder : str
        The package's root.
    files : iterable of PackagedFile, optional
        The files, as :func:`find_files` gives them; by default all files of the folder's package.
    limit : int
        The most bytes that its files may have, > 0.

    Returns
    -------
    bytes
        The package: the same for the same files on every machine.

    Raises
    ------
    UsageError
        If it would be too large, or a file can't be read or leads outside.
    """
    import io
    import zipfile

    files = find_files(folder) if files is None else list(files)
    size = sum(file.size for file in files)
    if size > limit:
        largest = sorted(files, key=lambda file: -file.size)[:5]
        raise UsageError(
            "The code package is too large.",
            seen=f"{size / 2**20:,.1f} MiB: " + ", ".join(f"{f.name} {f.size / 2**20:,.1f} MiB" for f in largest),
            wanted=f"at most {limit / 2**20:,.0f} MiB",
            where=folder,
            help=f"Name what isn't code in {IGNORE_FILE}, and keep data in artifacts or in S3.",
        )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.name, _TIME)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | (0o755 if file.executable else 0o644)) << 16
            try:
                with open(file.path, "rb") as source:
                    archive.writestr(info, source.read())
            except (OSError, UnicodeEncodeError) as error:
                raise UsageError(
                    "A file can't be read for the code package.", seen=str(error), where=file.path
                ) from error
    return target.getvalue()


def list_files(package: bytes) -> list[PackagedFile]:
    """List the files of a package.

    Raises
    ------
    IntegrityError
        If it isn't a package, or holds what no package holds: a link, a path that leads out of it, one file twice,
        more than its own bytes.
    """
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            infos = archive.infolist()
    except Exception as error:  # an archive made by hand brings zipfile to raise nearly anything
        raise IntegrityError("The code package can't be read.", seen=str(error)) from error
    names: set[str] = set()
    size = 0
    for info in infos:
        size += info.file_size
        # Entries that share their bytes, or are many, are a bomb: each needs a header of its own as well.
        if not _is_plain(info) or info.filename in names or size > len(package):
            raise IntegrityError("The code package holds what it must not.", seen=repr(info.filename))
        names.add(info.filename)
    folders = {name[:end] for name in names for end, letter in enumerate(name) if letter == "/"}
    if names & folders:
        raise IntegrityError("The code package holds what it must not.", seen=repr(min(names & folders)))
    return [PackagedFile(i.filename, i.file_size, executable=bool(i.external_attr >> 16 & stat.S_IXUSR)) for i in infos]


def _is_plain(info: "zipfile.ZipInfo") -> bool:
    """Return whether an entry is one of :func:`build_archive`: a file below the folder, not compressed or encrypted."""
    name = info.filename
    inside = not any(part in ("", ".", "..") for part in name.split("/")) and not {"\\", "\0"} & set(name)
    stored = info.compress_type == 0 and info.compress_size == info.file_size and not info.flag_bits & 1
    return inside and stored and stat.S_ISREG(info.external_attr >> 16)


def unpack_archive(package: bytes, folder: str) -> None:
    """Write a package's files into a folder, durably.

    Parameters
    ----------
    package : bytes
        The package.
    folder : str
        An empty folder that no other process writes to.

    Raises
    ------
    IntegrityError
        If the package is damaged or would write anywhere else.
    """
    for file, data in _read_contents(package):
        path = os.path.join(folder, *file.name.split("/"))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if file.executable else 0o644)
        except (FileExistsError, NotADirectoryError, UnicodeEncodeError) as error:
            raise _unpack_error(file.name, error) from error
        with os.fdopen(fd, "wb") as target:
            target.write(data)
            target.flush()
            os.fsync(fd)
    for above, _, _ in os.walk(folder):
        sync_folder(above)


def repair_files(package: bytes, folder: str) -> None:
    """Restore changed or missing files of an unpacked package.

    Each file is replaced as a whole, so a process that uses the folder sees the one or the other. Other files in the
    folder stay.

    Parameters
    ----------
    package : bytes
        The package.
    folder : str
        The folder that :func:`unpack_archive` wrote.

    Raises
    ------
    IntegrityError
        If the package is damaged, or a file can't be replaced.
    """
    for file, data in _read_contents(package):
        path = os.path.join(folder, *file.name.split("/"))
        if _has_content(path, data, file.executable):
            continue
        try:
            make_folders(os.path.dirname(path))
            replace_file(path, data, 0o755 if file.executable else 0o644)
        except OSError as error:
            raise _unpack_error(file.name, error) from error


def _has_content(path: str, data: bytes, executable: bool) -> bool:
    """Return whether a file has this content and mode."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
            return False
        with open(path, "rb") as file:
            return bool(status.st_mode & stat.S_IXUSR) == executable and file.read() == data
    except OSError:
        return False


def _read_contents(package: bytes) -> Iterator[tuple[PackagedFile, bytes]]:
    import io
    import zipfile

    files = list_files(package)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        for file in files:
            try:
                data = archive.read(file.name)
            except Exception as error:  # as above
                raise IntegrityError("The code package is damaged.", seen=str(error), where=file.name) from error
            yield file, data


def _unpack_error(name: str, error: Exception) -> IntegrityError:
    return IntegrityError(
        "The code package can't be unpacked here.",
        seen=f"{name!r}: {error}",
        help="Two names that differ by case or accents alone are one on some machines. Rename one of them.",
    )
