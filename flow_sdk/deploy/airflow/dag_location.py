"""Where a DAG file goes: a file, a DAGs folder, or a bucket. Checked first, written whole or not at all."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Protocol

from flow_sdk.config import expand_home
from flow_sdk.deploy.airflow.dag_file import FIRST_LINE
from flow_sdk.errors import ConfigError, DeployError, StoreError
from flow_sdk.files.botocore_bucket import is_unusual
from flow_sdk.files.file_store import FileLabel
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.durable_files import replace_file, sync_folder

__all__ = ["DagLocation", "check_holds", "dag_of", "open_location"]

_SECOND_LINE = re.compile(r"# Flow \w+, DAG ([\w.-]+), ")


class DagLocation(Protocol):
    """A location for one DAG file, known to be writable as far as that can be known."""

    @property
    def name(self) -> str:
        """Its path or address."""
        ...

    def write_file(self, text: str) -> bool:
        """Write the file; return whether it differs from what was there."""
        ...

    @property
    def earlier_text(self) -> str:
        """What was there; empty when there was no such file."""
        ...

    def remove_file(self) -> bool:
        """Remove the file; return whether there was one."""
        ...


def open_location(target: str, dag: str) -> DagLocation:
    """Check the location for a DAG file.

    Parameters
    ----------
    target : str
        A file ending in ``.py``, a folder, or the same in S3, Google Cloud Storage or Azure Blob Storage.
    dag : str
        The DAG's id, which names the file in a folder.

    Raises
    ------
    DeployError
        If there is no such folder or bucket, or another file stands in the way.
    """
    if "://" in target:
        return _BucketFile.from_url(target, dag)
    path = expand_home(target)
    if os.path.isdir(path):
        path = os.path.join(path, f"{dag}.py")
    elif not path.endswith(".py"):
        raise DeployError(
            "There is no such folder for the DAG file.",
            where=os.path.abspath(path),
            help="Name an existing folder, or a file that ends in .py.",
        )
    return _LocalFile(path)


def _refused_location(target: str) -> DeployError:
    return DeployError(
        "A DAG file can't go there.",
        seen=target,
        wanted="a file, a folder, or an address such as s3://bucket/folder, gs://bucket/folder or s3://bucket/key.py",
    )


def _refuse_foreign(text: str, name: str) -> None:
    if text and not text.startswith(FIRST_LINE):
        raise DeployError(
            "There is another file of that name, which Flow SDK didn't write.",
            where=name,
            help="Name another file, or move that one away.",
        )


def dag_of(text: str) -> str | None:
    """Return the id of the DAG that a DAG file of ours is for, from its first lines; None for any other file."""
    found = _SECOND_LINE.match(text.partition("\n")[2]) if text.startswith(FIRST_LINE) else None
    return found[1] if found else None


def check_holds(location: DagLocation, dag: str) -> None:
    """See that a DAG file, where there is one, is that of a deployment and not of another.

    Parameters
    ----------
    location : DagLocation
        The file, known to be ours.
    dag : str
        The DAG's id.

    Raises
    ------
    DeployError
        If another DAG is in it.
    """
    found = dag_of(location.earlier_text)
    if location.earlier_text and found != dag:
        raise DeployError(
            f"This file isn't that of {dag}. Nothing was deleted.",
            seen=f"the file of DAG {found}" if found else "no DAG's name in its second line",
            where=location.name,
            help="Check FILE, --name and --branch.",
        )


class _LocalFile:
    def __init__(self, path: str) -> None:
        self.path = path
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise DeployError(
                "There is no such folder for the DAG file.", where=folder, help="Make it first, or check the path."
            )
        if not os.access(folder, os.W_OK):
            raise DeployError("The folder for the DAG file can't be written to.", where=folder)
        self.earlier_text = self._read_text()
        _refuse_foreign(self.earlier_text, path)

    @property
    def name(self) -> str:
        return self.path

    def _read_text(self) -> str:
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise DeployError("The DAG file can't be read.", seen=error.strerror, where=self.path) from error

    def write_file(self, text: str) -> bool:
        try:
            if text == self.earlier_text:
                sync_folder(os.path.dirname(os.path.abspath(self.path)))  # who wrote it may have been killed
                return False
            # A name Airflow doesn't take for a DAG file while it is half-written.
            replace_file(self.path, text.encode("utf-8"), prefix=".flow_sdk-")
        except OSError as error:
            raise DeployError("The DAG file can't be written.", seen=error.strerror, where=self.path) from error
        return True

    def remove_file(self) -> bool:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DeployError("The DAG file can't be removed.", seen=error.strerror, where=self.path) from error
        sync_folder(os.path.dirname(os.path.abspath(self.path)))
        return True


class _BucketFile:
    def __init__(self, address: StoreAddress, key: str) -> None:
        from flow_sdk.files.bucket import Bucket
        from flow_sdk.store.backends.clouds import find_cloud

        cloud = find_cloud(address.kind.scheme)
        if cloud is None:
            raise _refused_location(address.url)
        self.title, self.key = address.kind.title, key
        self._bucket = Bucket(address.bucket, address.kind.scheme, cloud)
        with self._deploy_errors("put into"):  # a bucket that can't be reached takes no file, either
            self.earlier_text = (self._bucket.read(key) or b"").decode("utf-8", "replace")
        _refuse_foreign(self.earlier_text, self.name)

    @classmethod
    def from_url(cls, url: str, dag: str) -> "_BucketFile":
        """Read an address of a file that ends in ``.py``, or of a folder."""
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        try:
            address = StoreAddress.parse(f"{scheme}://{bucket}")
        except ConfigError as error:
            raise _refused_location(url) from error
        if not key.endswith(".py"):
            key = f"{key.rstrip('/')}/{dag}.py".lstrip("/")
        if not address.is_remote or is_unusual(key):
            raise _refused_location(url)
        return cls(address, key)

    @property
    def name(self) -> str:
        return self._bucket.url(self.key)

    @contextlib.contextmanager
    def _deploy_errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            raise DeployError(
                f"The DAG file can't be {doing} {self.title}.",
                seen=f"{error.headline} {error.seen or ''}".strip(),
                wanted=error.wanted,
                where=self.name,
                help=error.help or "Check the bucket's name, the credentials and the region.",
            ) from error

    def write_file(self, text: str) -> bool:
        if text == self.earlier_text:
            return False
        with self._deploy_errors("put into"):
            self._bucket.upload_file(self.key, text.encode("utf-8"), FileLabel(), overwrite=True)
        return True

    def remove_file(self) -> bool:
        if not self.earlier_text:
            return False
        with self._deploy_errors("removed from"):
            self._bucket.delete(self.key)
        return True
