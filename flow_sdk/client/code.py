"""``Code``: the code package that a run is pinned to."""

import io
import os
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flow_sdk.errors import IntegrityError
from flow_sdk.store.records.layout import blob_key

if TYPE_CHECKING:
    import tarfile

    from flow_sdk.client.reader import RunReader

__all__ = ["Code", "code_of"]


class Code:
    """The files that a run was started with.

    Parameters
    ----------
    run : RunReader
        The run.
    package : str
        Hash of the package's blob.
    """

    def __init__(self, run: "RunReader", package: str) -> None:
        self._run = run
        self._package = package

    @cached_property
    def _archive_bytes(self) -> bytes:
        where = f"code package of {self._run.flow}/{self._run.run}"
        return self._run.reader.artifacts.get_bytes(self._package, where=where)

    @property
    def path(self) -> str:
        """Where the package is in the store."""
        return f"{self._run.url.rstrip('/')}/{blob_key(self._package)}"

    @property
    def script_name(self) -> str:
        """Path of the flow file in the package."""
        return self._run.plan.file

    @property
    def info(self) -> dict[str, str]:
        """The flow file and the hash of the package."""
        return {"script": self.script_name, "sha": self._package}

    @property
    def flowspec(self) -> str:
        """Text of the flow file."""
        from flow_sdk.store.package.archive import list_files

        if self.script_name not in {file.name for file in list_files(self._archive_bytes)}:
            raise IntegrityError("The code package has no such flow file.", seen=repr(self.script_name))
        with self.extract() as folder, open(os.path.join(folder, self.script_name), encoding="utf-8") as file:
            return file.read()

    @property
    def tarball(self) -> "tarfile.TarFile":
        """The files as an open tar archive."""
        import tarfile

        archive = io.BytesIO()
        with self.extract() as folder, tarfile.open(fileobj=archive, mode="w") as tar:
            for name in sorted(os.listdir(folder)):
                tar.add(os.path.join(folder, name), arcname=name)
        archive.seek(0)
        return tarfile.open(fileobj=archive)

    def extract(self) -> "TemporaryDirectory[str]":
        """Unpack the files into a temporary folder, which goes when the returned object does."""
        from flow_sdk.store.package.archive import unpack_archive

        folder = TemporaryDirectory(prefix="flow-code-")
        unpack_archive(self._archive_bytes, folder.name)
        return folder

    def _repr_html_(self) -> str:
        from flow_sdk.client.html.views import render_view

        return render_view(self)

    def __repr__(self) -> str:
        return f"<Code: {self.script_name}>"


def code_of(run: "RunReader") -> Code | None:
    """Return a run's code package; None when it used the files where they lie."""
    package = run.record.package
    return None if package is None else Code(run, package)
