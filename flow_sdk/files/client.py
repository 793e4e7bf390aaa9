"""``S3``: get, put and list files in S3 or beside a run, many at a time."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from flow_sdk.errors import ObjectMissing, UsageError
from flow_sdk.files.addresses import check_key, split_url
from flow_sdk.files.arguments import (
    checked_metadata,
    content_of,
    key_and_value,
    key_list,
    readable_file,
    refuse_url,
    span_of,
    whole_url,
)
from flow_sdk.files.downloads import Downloads
from flow_sdk.files.file_store import ByteSpan, Content, FileInfo, FileLabel, FileStore
from flow_sdk.files.objects import S3GetObject, S3Object, S3PutObject
from flow_sdk.files.run_location import open_run_files
from flow_sdk.store.prefetch import prefetch_map

if TYPE_CHECKING:
    from types import TracebackType

    from flow_sdk.authoring.flow import FlowSpec
    from flow_sdk.client import Run

__all__ = ["S3"]

_AT_ONCE = 8
"""Objects that are moved at a time; what is in memory of each is at most two pieces of 8 MiB."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")
Value = str | bytes | bytearray | memoryview | BinaryIO


class S3:
    """A client for files in S3, or beside a run. Close it, or use it in a ``with``: then its downloads go away.

    Without ``run`` and ``s3root`` every key is a whole ``s3://bucket/key`` address.

    Parameters
    ----------
    tmproot : str, optional
        Folder to make the folder of downloads in; the system's for temporary files by default.
    bucket, prefix : str, optional
        With ``run``: keep the run's files there and not in the flow's datastore.
    run : FlowSpec or Run, optional
        Keys are files of a run: in a step ``S3(run=self)``, elsewhere ``S3(run=Run("Flow/5"))``.
    s3root : str, optional
        Keys are below this ``s3://bucket/prefix`` address.
    encryption : {"AES256", "aws:kms"}, optional
        How the server is to encrypt what is put; the bucket's own way by default.

    Raises
    ------
    UsageError
        If these contradict each other, or ``run=self`` is used outside of a task.
    """

    TYPE = "s3"

    def __init__(
        self,
        tmproot: str | os.PathLike[str] | None = None,
        bucket: str | None = None,
        prefix: str | None = None,
        run: "FlowSpec | Run | None" = None,
        s3root: str | None = None,
        encryption: str | None = None,
    ) -> None:
        self._buckets: dict[str, FileStore] = {}
        self._store: FileStore | None = None
        self._base = ""
        self._encryption = encryption
        self._closed = False
        if run is not None and s3root is not None:
            raise UsageError("S3 takes run= or s3root=, not both.")
        if run is None and (bucket is not None or prefix is not None):
            raise UsageError(
                "bucket= and prefix= go with run=.", help="For other files: S3(s3root='s3://bucket/prefix')."
            )
        if run is not None:
            self._store = open_run_files(run, bucket, prefix)
        elif s3root is not None:
            kind, name, key = split_url(s3root)
            if kind != "s3":
                raise UsageError("This isn't an S3 address.", seen=repr(s3root), wanted="s3://bucket/prefix")
            self._store, self._base = self._open_bucket(name), check_key(key, folder=True, in_bucket=True)
        self._downloads = Downloads(None if tmproot is None else os.fspath(tmproot))

    def __enter__(self) -> "S3":
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete what was downloaded. The client can't be used any more."""
        self._closed = True
        self._downloads.remove_folder()

    def get(
        self, key: str | S3GetObject | None = None, return_missing: bool = False, return_info: bool = True
    ) -> S3Object:
        """Download an object.

        Parameters
        ----------
        key : str or S3GetObject, optional
            Its key, or a part of it; the ``s3root`` itself when left out.
        return_missing : bool
            Whether to return an object with ``exists`` False, and raise nothing, where there is none.
        return_info : bool
            Known from elsewhere: content type and metadata come with the object in any case.

        Returns
        -------
        S3Object

        Raises
        ------
        ObjectMissing
            If there is no such object.
        StoreUnavailable
            If it can't be read: access denied, no bucket, no credentials, no answer.
        UsageError
            If the key is none, or the client is closed.
        """
        return self._download_target(self._find_target(key), return_missing, parts=4)

    def get_many(
        self, keys: Iterable[str | S3GetObject], return_missing: bool = False, return_info: bool = True
    ) -> list[S3Object]:
        """Download many objects, several at a time; in the order of ``keys``. See :meth:`get`."""
        wanted = [self._find_target(key) for key in key_list(keys)]
        return self._work_on_all(lambda one: self._download_target(one, return_missing, parts=2), wanted)

    def get_recursive(self, keys: Iterable[str], return_info: bool = False) -> list[S3Object]:
        """Download all objects below some folders.

        Parameters
        ----------
        keys : iterable of str
            The folders.
        return_info : bool
            Known from elsewhere: content type and metadata come with the objects in any case.
        """
        return self._download_below(keys)

    def get_all(self, return_info: bool = False) -> list[S3Object]:
        """Download all objects of the run, or below ``s3root``. See :meth:`get_recursive`."""
        if self._store is None:
            raise UsageError(
                "get_all() needs S3(run=...) or S3(s3root=...).", help="Or name folders: get_recursive([...])."
            )
        return self._download_below(None)

    def info(self, key: str | None = None, return_missing: bool = False) -> S3Object:
        """Ask about an object without downloading it. See :meth:`get`."""
        return self._find_info(self._find_target(key), return_missing)

    def info_many(self, keys: Iterable[str], return_missing: bool = False) -> list[S3Object]:
        """Ask about many objects, several at a time; in the order of ``keys``. See :meth:`get`."""
        wanted = [self._find_target(key) for key in key_list(keys)]
        return self._work_on_all(lambda one: self._find_info(one, return_missing), wanted)

    def list_paths(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """List what lies directly below some folders, by name; a folder in one has ``exists`` False.

        Parameters
        ----------
        keys : iterable of str, optional
            The folders; the run's files or ``s3root`` itself when left out.
        """
        listed = []
        for store, folder, prefix in self._find_folders(keys):
            entries, folders = store.list_folder(folder)
            start = len(folder) + 1 if folder else 0
            found = [
                S3Object(
                    prefix,
                    entry.key[start:],
                    store.url(entry.key),
                    FileInfo(entry.size, entry.modified, has_info=False),
                )
                for entry in entries
            ]
            found += [S3Object(prefix, name[start:], store.url(name) + "/") for name in folders]
            listed += sorted(found, key=lambda one: one.key)
        return listed

    def list_recursive(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """List all objects below some folders. See :meth:`list_paths`."""
        return [
            S3Object(
                prefix, key[len(folder) + 1 if folder else 0 :], store.url(key), FileInfo(size, at, has_info=False)
            )
            for store, folder, prefix in self._find_folders(keys)
            for key, size, at in store.list_all(folder)
        ]

    def put(
        self,
        key: str | S3PutObject,
        obj: Value | None = None,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Upload an object.

        Parameters
        ----------
        key : str or S3PutObject
            Its key.
        obj : str, bytes or binary file
            Its contents; text is stored as UTF-8.
        overwrite : bool
            Whether to replace an object that is there; otherwise it stays, and nothing is uploaded.
        content_type : str, optional
            Its MIME type.
        metadata : dict, optional
            What else is to be known of it; JSON data, 2 KB at most on S3.

        Returns
        -------
        str
            The object's URL.
        """
        given = key if isinstance(key, S3PutObject) else S3PutObject(key, obj, None, content_type, None, metadata)
        if given.value is None:
            given = given._replace(value=obj)
        return self._upload_all([(given, content_of(given.key, given.value))], overwrite)[0][1]

    def put_many(
        self, key_objs: Iterable[tuple[str, Value] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Upload many objects, several at a time.

        Parameters
        ----------
        key_objs : iterable of (key, object) or S3PutObject
            What to upload; see :meth:`put`. All of it is looked at before anything is uploaded.
        overwrite : bool
            As for :meth:`put`.

        Returns
        -------
        list of (str, str)
            Key and URL of each.
        """
        given = [one if isinstance(one, S3PutObject) else S3PutObject(*key_and_value(one)) for one in key_objs]
        return self._upload_all([(one, content_of(one.key, one.value)) for one in given], overwrite)

    def put_files(
        self, key_paths: Iterable[tuple[str, str | os.PathLike[str]] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Upload files of this machine, several at a time.

        Parameters
        ----------
        key_paths : iterable of (key, path) or S3PutObject
            What to upload.
        overwrite : bool
            As for :meth:`put`.

        Returns
        -------
        list of (str, str)
            Key and URL of each.
        """
        given = []
        for one in key_paths:
            put = (
                one
                if isinstance(one, S3PutObject)
                else S3PutObject(key_and_value(one)[0], None, os.fspath(key_and_value(one)[1]))
            )
            given.append((put, _File(readable_file(put))))
        return self._upload_all(given, overwrite)

    def _upload_all(
        self, given: "Sequence[tuple[S3PutObject, Content | _File]]", overwrite: bool
    ) -> list[tuple[str, str]]:
        targets: list[tuple[_Target, Content | _File, FileLabel]] = []
        taken = set()
        for put, content in given:
            target = self._find_target(put.key, put=True)
            if target.url in taken:
                raise UsageError(f"The key {put.key!r} is given twice.")
            taken.add(target.url)
            label = FileLabel(put.content_type, checked_metadata(put), put.encryption or self._encryption)
            targets.append((target, content, label))

        def upload_target(one: "tuple[_Target, Content | _File, FileLabel]") -> tuple[str, str]:
            target, content, label = one
            if isinstance(content, _File):
                with open(content.path, "rb") as file:
                    return target.key, target.store.upload_file(target.name, file, label, overwrite=overwrite)
            return target.key, target.store.upload_file(target.name, content, label, overwrite=overwrite)

        return self._work_on_all(upload_target, targets)

    def _download_target(self, target: "_Target", return_missing: bool, parts: int) -> S3Object:
        try:
            path, found = self._downloads.add_file(
                target.name, lambda path: target.store.download_file(target.name, path, target.span, parts)
            )
        except ObjectMissing:
            if return_missing:
                return S3Object(target.prefix, target.key, target.url)
            raise
        return S3Object(target.prefix, target.key, found.url or target.url, found, path)

    def _find_info(self, target: "_Target", return_missing: bool) -> S3Object:
        found = target.store.find_file(target.name)
        if found is None and not return_missing:
            raise ObjectMissing("There is no such object in S3.", where=target.url)
        return S3Object(target.prefix, target.key, (found and found.url) or target.url, found)

    def _download_below(self, keys: Iterable[str] | None) -> list[S3Object]:
        targets = [
            _Target(store, key, key[len(folder) + 1 if folder else 0 :], store.url(key), prefix, ByteSpan())
            for store, folder, prefix in self._find_folders(keys)
            for key, _, _ in store.list_all(folder)
        ]
        return self._work_on_all(lambda one: self._download_target(one, False, parts=2), targets)

    def _work_on_all(self, work: Callable[[_In], _Out], items: list[_In]) -> list[_Out]:
        if len(items) < 2:
            return [work(item) for item in items]
        return list(prefetch_map(work, items, min(_AT_ONCE, len(items))))

    def _find_folders(self, keys: Iterable[str] | None) -> list[tuple[FileStore, str, str]]:
        """Return the store, key and URL of each folder."""
        self._check_open()
        if keys is None and self._store is None:
            raise UsageError("No folder to list is given.", wanted="folders, such as ['s3://bucket/folder']")
        found = []
        for key in [""] if keys is None else key_list(keys):
            if self._store is None:
                kind, name, path = split_url(key)
                store, folder = self._bucket_of(key, kind, name), check_key(path, folder=True, in_bucket=True)
            else:
                refuse_url(key)
                store, folder = self._store, self._key_below_base(self._check_key(key, folder=True))
            found.append((store, folder, store.url(folder)))
        return found

    def _find_target(self, key: "str | S3GetObject | None", *, put: bool = False) -> "_Target":
        self._check_open()
        name = key.key if isinstance(key, S3GetObject) else key
        span = span_of(key) if isinstance(key, S3GetObject) else ByteSpan()
        if self._store is None:
            if name is None:
                raise UsageError("No key is given.", wanted="an address such as s3://bucket/key")
            kind, bucket, path = whole_url(name)
            if kind == "file":
                if put:
                    raise UsageError("A file:// address can only be read.", seen=name, help="Use S3(run=self).")
                from flow_sdk.files.folder import FolderFiles

                path = check_key(path)
                return _Target(FolderFiles("/", writable=False), path, name, name, None, span)
            path = check_key(path, in_bucket=True)
            return _Target(self._open_bucket(bucket), path, name, name, None, span)
        if name is None:
            if not self._base:
                raise UsageError("No key is given.", wanted="the key of an object")
            path, shown = self._base, ""
        else:
            refuse_url(name)
            shown = self._check_key(name)
            path = self._key_below_base(shown)
        return _Target(self._store, path, name or "", self._store.url(path), self._store.url(self._base), span)

    def _check_key(self, key: object, *, folder: bool = False) -> str:
        """Return a key that is right in this client's store: a bucket, or the files of a run."""
        return check_key(key, folder=folder, in_bucket=self._store in self._buckets.values())

    def _key_below_base(self, key: str) -> str:
        return "/".join(part for part in (self._base, key) if part)

    def _bucket_of(self, url: str, kind: str, bucket: str) -> FileStore:
        if kind != "s3":
            raise UsageError("Only s3:// addresses can be listed.", seen=repr(url), help="Or use S3(run=...).")
        return self._open_bucket(bucket)

    def _open_bucket(self, name: str) -> FileStore:
        if name not in self._buckets:
            from flow_sdk.files.bucket import Bucket

            self._buckets[name] = Bucket(name)
        return self._buckets[name]

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("This S3 client is closed.", help="Use it inside its 'with', or make another.")


class _File:
    """A file to upload, opened when its turn comes."""

    def __init__(self, path: str) -> None:
        self.path = path


class _Target:
    """One object: where it is, its key there, and how the user calls it."""

    __slots__ = ("key", "name", "prefix", "span", "store", "url")

    def __init__(self, store: FileStore, name: str, key: str, url: str, prefix: str | None, span: ByteSpan) -> None:
        self.store, self.name, self.key, self.url, self.prefix, self.span = store, name, key, url, prefix, span
