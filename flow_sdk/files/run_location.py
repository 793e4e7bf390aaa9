"""From ``run=`` to the run's files: whose they are, where they lie, and which runs it was resumed from."""

import os
from typing import TYPE_CHECKING

from flow_sdk.authoring.current import current
from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.client.context import STORE_VARIABLE, current_store
from flow_sdk.client.reader import open_existing_store
from flow_sdk.client.run import Run
from flow_sdk.errors import NotFound, UsageError
from flow_sdk.files.addresses import check_key, split_url
from flow_sdk.files.file_store import FileStore
from flow_sdk.files.run_files import RunFiles, Writer
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.records import layout

if TYPE_CHECKING:
    from flow_sdk.store.port import ObjectStore

__all__ = ["open_run_files"]


def open_run_files(run: object, bucket: str | None, prefix: str | None) -> RunFiles:
    """Find the files of a run.

    Parameters
    ----------
    run : FlowSpec or Run
        ``self`` in a step, or a run of the client.
    bucket, prefix : str or None
        Where they are kept, if that isn't the flow's datastore.

    Raises
    ------
    UsageError
        If it is no run, no task is running, or the files can't be there.
    """
    me = None
    if isinstance(run, FlowSpec):
        if not current.is_running_flow:
            raise UsageError(
                "S3(run=self) works in a step only.", help="Elsewhere, name the run: S3(run=Run('Flow/5'))."
            )
        flow, name, url, origin = str(current.flow_name), str(current.run_id), _task_store(), current.origin_run_id
        me = Writer(str(current.step_name), str(current.task_id), int(current.retry_count or 0))
    elif isinstance(run, Run):
        flow, name = run.path_components
        url, (_, _, origin) = run._url, (run.origin_pathspec or "//").rpartition("/")
    else:
        raise UsageError("This isn't a run.", seen=repr(run)[:200], wanted="self, or a Run of the client")
    store = open_existing_store(url)
    runs = [name]
    while origin:
        runs.append(origin)
        try:
            origin = Runs(store).read(flow, origin).origin_run
        except NotFound:
            break  # it was removed; the run's own files are there all the same
    inner, above = _files_of_store(store, bucket, prefix)
    if bucket is None and prefix is None:
        folders = {one: above + layout.files_prefix(flow, one).rstrip("/") for one in runs}
    else:
        folders = {one: f"{above}{flow}/{one}" for one in runs}
    return RunFiles(inner, folders, store, flow, me)


def _task_store() -> str:
    """URL of the running task's store."""
    return os.environ.get(STORE_VARIABLE) or current_store()


def _files_of_store(store: "ObjectStore", bucket: str | None, prefix: str | None) -> tuple[FileStore, str]:
    """Where a store's files are, and the folder in it that all keys begin with."""
    above = check_key(prefix, folder=True) if prefix is not None else None
    if bucket is not None:
        split_url(f"s3://{bucket}/")
        return _open_bucket(bucket), f"{above}/" if above else ""
    address = StoreAddress.parse(store.url)
    if address.is_remote:
        folder = address.path if above is None else above
        return _open_bucket(address.bucket, address.kind.scheme), f"{folder}/" if folder else ""
    if above is not None:
        raise UsageError("prefix= needs bucket= with it: this flow's datastore isn't in a bucket.", seen=repr(prefix))
    root = store.capabilities.local_root
    if root is not None:
        from flow_sdk.files.folder import FolderFiles

        return FolderFiles(root), ""
    raise UsageError("A store in memory keeps no files beside its runs.", where=store.url)


def _open_bucket(name: str, scheme: str = "s3") -> FileStore:
    from flow_sdk.files.bucket import Bucket
    from flow_sdk.store.backends.clouds import find_cloud

    cloud = find_cloud(scheme)
    if cloud is None:
        raise UsageError("This kind of store keeps no files beside its runs.", seen=f"{scheme}://{name}")
    return Bucket(name, scheme, cloud)
