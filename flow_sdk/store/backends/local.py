"""A folder as an object store.

An object is a file. It is written under a temporary name in its own folder and then linked or renamed, so that it is
there whole or not at all. A temporary name starts with ``~``, which no key may hold: a listing can't confuse the two.

A name survives a power cut once the folder it is in was synced, and so did that folder's own name, and so on upwards.
A folder that is there may be one whose maker was killed before it synced anything. So a durable put syncs all folders
above the object, up to one that is known to last: one that this process synced, or one with a mark in it. The mark is
an empty file that is made once all names above it are durable; where it is, no process has to sync them again.
"""

import errno
import os
from _thread import allocate_lock  # not threading: each task that has it is slower to fork
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NoReturn

from flow_sdk.errors import ObjectExists, ObjectMissing, StoreError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.durable_files import FLUSH, PIECE, WriteBehind, sync_folder, sync_names, write_part
from flow_sdk.store.key_syntax import check_key, check_prefix, is_key
from flow_sdk.store.port import Buffers, Capabilities, ObjectInfo

__all__ = ["LocalStore", "open_folder"]

_Names = list[str]

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_MARK = "~lasting"
_REMEMBERED = 4096
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def open_folder(address: StoreAddress) -> "LocalStore":
    """Return the store in a folder, which must exist."""
    return LocalStore(address.path)


class LocalStore:
    """An object store in a folder of the file system.

    Parameters
    ----------
    root : str
        The folder. It must exist.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._base = self.root.rstrip("/") + "/"
        self._made_folders: set[str] = set()
        self._durable_folders: set[str] = set()
        self._lock = allocate_lock()

    def __repr__(self) -> str:
        return f"LocalStore({self.root!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (LocalStore, (self.root,))

    @property
    def url(self) -> str:
        """The folder as a ``file://`` URL."""
        return "file://" + self.root.replace("%", "%25")

    @property
    def capabilities(self) -> Capabilities:
        """See :attr:`~flow_sdk.store.port.ObjectStore.capabilities`."""
        return Capabilities(local_root=self.root)

    def get(self, key: str) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get`."""
        data = self._read_object(check_key(key))
        if data is None:
            self._raise_missing(key)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_range`."""
        buffer = bytearray(max(0, min(length, self._object_size(key) - start)))
        return bytes(memoryview(buffer)[: self.read_into(key, start, buffer)])

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Read from ``start`` on into a buffer, without a copy in between.

        Parameters
        ----------
        key : str
            The object.
        start : int
            Offset of the first byte, >= 0.
        buffer : bytearray or memoryview
            Where to put the bytes; it is filled as far as the object reaches.

        Returns
        -------
        int
            How many bytes were read.
        """
        view = memoryview(buffer)
        done = 0
        fd = self._open_object(check_key(key))
        try:
            while done < len(view):
                read = os.preadv(fd, [view[done : done + PIECE]], start + done)
                if not read:
                    break
                done += read
        except OSError as error:
            self._raise_for(error, "read", key)
        finally:
            os.close(fd)
        return done

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_many`."""
        for key in keys:
            yield self._read_object(check_key(key))

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put`."""
        temp, path = self._write_temporary(check_key(key), data, durable)
        try:
            os.rename(temp, path)
        except OSError as error:
            _remove_quietly(temp)
            self._raise_for(error, "write", key)
        if durable:
            self._sync_name(path)

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put_if_absent`."""
        path = self._base + check_key(key)
        if os.path.lexists(path):
            self._raise_exists(key)
        temp, path = self._write_temporary(key, data, durable)
        try:
            os.link(temp, path)
        except FileExistsError:
            self._raise_exists(key)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                self._raise_for(error, "write", key)
            self._rename_if_absent(temp, path, key)
        finally:
            _remove_quietly(temp)
        if durable:
            self._sync_name(path)

    def make_durable(self, key: str) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.make_durable`."""
        path = self._base + check_key(key)
        if os.path.lexists(path):
            self._sync_name(path)

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.head`."""
        try:
            status = os.stat(self._base + check_key(key))
        except (FileNotFoundError, NotADirectoryError):
            self._check_root()
            return None
        except OSError as error:
            self._raise_for(error, "read", key)
        return None if status.st_mode & 0o170000 != 0o100000 else ObjectInfo(key, status.st_size, status.st_mtime)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.list`."""
        check_prefix(prefix)
        self._check_root()
        return self._walk_sorted(prefix, limit)

    def folders(self, prefix: str) -> _Names:
        """See :meth:`~flow_sdk.store.port.ObjectStore.folders`."""
        check_prefix(prefix)
        self._check_root()
        # A folder without an object in it is what a killed put left behind: no other store would show it.
        names = [name[:-1] for name in self._scan_folder(prefix) if name.endswith("/") and is_key(name[:-1])]
        return sorted(name for name in names if next(self._walk_sorted(f"{prefix}{name}/", 1), None) is not None)

    def delete(self, keys: Iterable[str]) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.delete`."""
        for key in keys:
            try:
                os.unlink(self._base + check_key(key))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                self._raise_for(error, "delete", key)

    def _walk_sorted(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        left = limit if limit is not None else -1
        stack = [iter(self._scan_folder(prefix))]
        heads = [prefix]
        while stack and left:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                heads.pop()
            elif not is_key(name.removesuffix("/")):
                continue  # a foreign file, or one that is being written
            elif name.endswith("/"):
                heads.append(heads[-1] + name)
                stack.append(iter(self._scan_folder(heads[-1])))
            else:
                try:
                    status = os.stat(self._base + heads[-1] + name)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                left -= 1
                yield ObjectInfo(heads[-1] + name, status.st_size, status.st_mtime)

    def _scan_folder(self, prefix: str) -> _Names:
        """Names in a folder, those of folders with ``/`` at the end: so they sort as the keys do."""
        try:
            with os.scandir(self._base + prefix) as entries:
                return sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._raise_for(error, "list", prefix)

    def _open_object(self, key: str) -> int:
        try:
            return os.open(self._base + key, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            self._raise_missing(key)
        except OSError as error:
            self._raise_for(error, "read", key)

    def _object_size(self, key: str) -> int:
        info = self.head(key)
        if info is None:
            self._raise_missing(key)
        return info.size

    def _read_object(self, key: str) -> bytes | None:
        try:
            fd = os.open(self._base + key, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            self._check_root()
            return None
        except OSError as error:
            self._raise_for(error, "read", key)
        try:
            size = os.fstat(fd).st_size
            data = os.read(fd, size + 1)
            if len(data) >= size or not data:
                return data
            parts = [data]  # one read gives at most 2 GiB
            while data := os.read(fd, 1 << 30):
                parts.append(data)
            return b"".join(parts)
        except IsADirectoryError:
            return None
        except OSError as error:
            self._raise_for(error, "read", key)
        finally:
            os.close(fd)

    def _write_temporary(self, key: str, data: Buffers, durable: bool) -> tuple[str, str]:
        """Write to a temporary file; returns its path and the final one."""
        path = self._base + key
        folder = path[: path.rfind("/") + 1]
        temp = f"{folder}~{os.urandom(8).hex()}"
        try:
            try:
                fd = os.open(temp, _CREATE, 0o666)
            except FileNotFoundError:
                self._check_root()
                self._make_folder(folder)
                fd = os.open(temp, _CREATE, 0o666)
        except OSError as error:
            self._raise_for(error, "write", key, _known_size(data))
        done = 0
        behind = WriteBehind(fd)
        try:
            try:
                for part in (data,) if isinstance(data, bytes | bytearray | memoryview) else data:
                    for size in write_part(fd, part):
                        done += size
                        if durable and done - behind.started >= FLUSH:
                            behind.start(done)
                if durable and done:  # of no bytes none can be lost
                    behind.finish()
                    os.fsync(fd)
            finally:
                behind.join()
                os.close(fd)
        except OSError as error:
            _remove_quietly(temp)
            self._raise_for(error, "write", key, max(_known_size(data), done))
        except BaseException:
            _remove_quietly(temp)
            raise
        return temp, path

    def _make_folder(self, folder: str) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = _parent_folder(folder)
        for path in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(path)
        with self._lock:
            if len(self._made_folders) > _REMEMBERED:
                self._made_folders.clear()  # it only saves marks
            self._made_folders.update(missing)
            self._durable_folders.difference_update(missing)

    def _sync_name(self, path: str) -> None:
        """Make a name durable, and those of the folders above it that aren't known to be."""
        folder = path[: path.rfind("/") + 1]
        try:
            sync_folder(folder)
            if folder not in self._durable_folders:
                self._sync_above(folder)
        except OSError as error:
            self._raise_for(error, "write", path[len(self._base) :])

    def _sync_above(self, folder: str) -> None:
        """Make the name of a folder durable, and those above it as far as they aren't."""
        synced, sure = [], True
        while folder not in self._durable_folders and not os.path.lexists(folder + _MARK):
            above = _parent_folder(folder)
            synced.append(folder)
            try:
                sync_folder(above)
            except PermissionError:
                sure = False  # one that may be written and not read can't be synced
            if folder == self._base:
                sync_names(above)
                break
            folder = above
        with self._lock:
            if len(self._durable_folders) > _REMEMBERED:
                self._durable_folders.clear()
            self._durable_folders.update(synced, (folder,))
        # In a task's own folder a mark would serve a second attempt only.
        marked = synced[1:] if synced and synced[0] in self._made_folders else synced
        for name in marked if sure else ():
            with suppress(OSError):
                os.close(os.open(name + _MARK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))

    def _rename_if_absent(self, temp: str, path: str, key: str) -> None:
        """What link(2) does, where the file system has no links: the lock goes away with its process."""
        import fcntl

        try:
            lock = os.open(self._base + "~lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if os.path.lexists(path):
                    self._raise_exists(key)
                os.rename(temp, path)
            finally:
                os.close(lock)
        except OSError as error:
            self._raise_for(error, "write", key)

    def _check_root(self) -> None:
        if not os.path.isdir(self.root):
            raise StoreUnavailable(
                "The store's folder is gone.", where=self.root, help="Check the path, and that it is mounted."
            )

    def _raise_missing(self, key: str) -> NoReturn:
        self._check_root()
        raise ObjectMissing("There is no such object in the store.", where=self._base + key)

    def _raise_exists(self, key: str) -> NoReturn:
        raise ObjectExists("The object is already in the store.", where=self._base + key)

    def _free_space(self, error: OSError) -> str:
        """Say what room there is, where none is left for what was to be written."""
        left = os.statvfs(self.root)
        free = f"{left.f_bavail * left.f_frsize:,} bytes free"
        if error.errno == errno.EDQUOT:
            return f"your quota is used up, with {free}"
        return f"{free}, and no file more (inodes)" if left.f_files and not left.f_favail else free

    def _raise_for(self, error: OSError, verb: str, key: str, need: int = 0) -> NoReturn:
        path = self._base + key
        seen = f"{error.strerror or error} (errno {error.errno})"
        if error.errno in _FULL:
            raise StoreError(
                "There is no space left in the store.",
                seen=self._free_space(error),
                wanted=f"{need:,} bytes, and a name" if need else "room for a name",
                where=path,
                help="Make room there, or choose another folder with --datastore-root.",
            ) from error
        if error.errno in _REFUSED:
            raise StoreUnavailable(
                f"The store's folder doesn't let us {verb} there.",
                seen=seen,
                where=path,
                help=f"Check the permissions of {self.root}, or choose another folder with --datastore-root.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
            raise StoreError("A key can't be an object and a folder at once.", seen=seen, where=path) from error
        raise StoreError(f"The store can't {verb} an object.", seen=seen, where=path) from error


def _known_size(data: Buffers) -> int:
    """How many bytes are to be written, as far as that is known before."""
    if isinstance(data, Iterator):
        return 0
    return sum(
        memoryview(part).nbytes for part in ((data,) if isinstance(data, bytes | bytearray | memoryview) else data)
    )


def _parent_folder(folder: str) -> str:
    """The folder that a folder is in; both end with ``/``."""
    return folder[: folder.rstrip("/").rfind("/") + 1] or "/"


def _remove_quietly(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
