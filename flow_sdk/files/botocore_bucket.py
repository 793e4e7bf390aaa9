"""Objects with keys that obstore refuses, such as ``raw//a.csv``: S3 takes any text, and others write such keys."""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.aws.settings import Encryption, find_encryption
from flow_sdk.errors import ObjectMissing, StoreError, UsageError
from flow_sdk.files.file_store import PIECE, ByteSpan, Content, FileEntry, FileInfo, FileLabel

__all__ = ["METADATA", "BotocoreBucket", "is_unusual"]

METADATA = "flow-sdk-metadata"
"""The header that holds an object's metadata as JSON: S3's own would change the case of names and refuse letters."""

_MISSING = ("404", "NoSuchKey", "NotFound")


def is_unusual(key: str) -> bool:
    """Return whether a key has a component that obstore refuses: an empty one, ``.`` or ``..``."""
    return any(part in ("", ".", "..") for part in key.split("/"))


class BotocoreBucket:
    """A bucket whose objects are read and written in one request each: a :class:`~flow_sdk.files.file_store.FileStore`.

    Parameters
    ----------
    name : str
        The bucket's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _client(self) -> Any:
        return make_client("s3")

    def url(self, key: str) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.url`."""
        return f"s3://{self.name}/{key}"

    def find_file(self, key: str) -> FileInfo | None:
        """See :meth:`~flow_sdk.files.file_store.FileStore.find`."""
        try:
            return self._read_head(key)[0]
        except ObjectMissing:
            return None

    def download_file(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        """See :meth:`~flow_sdk.files.file_store.FileStore.download_file`."""
        found, tag = self._read_head(key)
        offset, length = span.resolve_range(found.size)
        if span.offset > 0 and span.offset >= found.size:
            seen = f"offset {span.offset} of {found.size} bytes"
            raise UsageError("The object has no such bytes.", seen=seen, where=self.url(key))
        given: dict[str, Any] = {"IfMatch": tag} if tag else {}
        if length != found.size and length:
            given["Range"] = f"bytes={offset}-{offset + length - 1}"
        written = 0
        with open(path, "wb") as file:
            if length:
                body = self._call_s3("get_object", "read", key, **given)["Body"]
                with aws_errors("read an object", where=self.url(key)):
                    for piece in body.iter_chunks(PIECE):
                        written += file.write(piece)
        if written != length:
            raise StoreError("An object was cut off while it was read.", where=self.url(key), help="Try again.")
        return FileInfo(found.size, found.modified, found.content_type, found.metadata, offset=offset, length=length)

    def upload_file(self, key: str, content: Content, label: FileLabel, *, overwrite: bool) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.upload_file`."""
        if not overwrite and self.find_file(key) is not None:
            return self.url(key)
        given: dict[str, Any] = {} if overwrite else {"IfNoneMatch": "*"}
        if label.content_type is not None:
            given["ContentType"] = label.content_type
        if label.metadata is not None:
            given["Metadata"] = {METADATA: json.dumps(label.metadata)}
        asked = find_encryption()
        if label.encryption:
            asked = Encryption(label.encryption, asked.key if asked and label.encryption != "AES256" else None)
        try:
            self._call_s3("put_object", "write", key, Body=content, **given, **(asked.arguments if asked else {}))
        except StoreError as error:
            # Of two that put it at once one was first.
            if overwrite or error_code(error.__cause__ or error) not in ("PreconditionFailed", "412"):
                raise
        return self.url(key)

    def list_all(self, prefix: str) -> Iterator[FileEntry]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_all`."""
        return iter(sorted(entry for page in self._list_pages(prefix) for entry in _page_entries(page)))

    def list_folder(self, prefix: str) -> tuple[list[FileEntry], list[str]]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_folder`."""
        pages = list(self._list_pages(prefix, Delimiter="/"))
        folders = {one["Prefix"].removesuffix("/") for page in pages for one in page.get("CommonPrefixes", ())}
        return sorted(entry for page in pages for entry in _page_entries(page)), sorted(folders)

    def _read_head(self, key: str) -> tuple[FileInfo, str | None]:
        """Return what is known of an object, and its tag."""
        head = self._call_s3("head_object", "read", key)
        metadata: Any = head.get("Metadata") or None
        if metadata and METADATA in metadata:
            try:
                metadata = json.loads(metadata[METADATA])
            except ValueError:
                pass
        found = FileInfo(head["ContentLength"], head["LastModified"].timestamp(), head.get("ContentType"), metadata)
        return found, head.get("ETag")

    def _call_s3(self, operation: str, verb: str, key: str, **given: Any) -> Any:
        try:
            with aws_errors(f"{verb} an object", where=self.url(key)):
                return getattr(self._client, operation)(Bucket=self.name, Key=key, **given)
        except Exception as error:
            if error_code(error.__cause__ or error) in _MISSING and verb == "read":
                raise ObjectMissing("There is no such object in S3.", where=self.url(key)) from error
            raise StoreError(f"S3 can't {verb} an object.", seen=str(error), where=self.url(key)) from error.__cause__

    def _list_pages(self, prefix: str, **given: Any) -> Iterator[Any]:
        below = f"{prefix}/" if prefix else ""
        paginator = self._client.get_paginator("list_objects_v2")
        with aws_errors("list objects", where=self.url(prefix)):
            yield from paginator.paginate(Bucket=self.name, Prefix=below, **given)


def _page_entries(page: Any) -> Iterator[FileEntry]:
    for one in page.get("Contents", ()):
        yield FileEntry(one["Key"], one["Size"], one["LastModified"].timestamp())
