"""Loading the user's flow file in a task process, and its code package on a worker."""

import os
import shutil
import sys
import tempfile
import types

from flow_sdk.errors import FlowSDKError, TaskError
from flow_sdk.spec.flow import FlowSpec
from flow_sdk.store.sources import by_value_module

__all__ = ["load_flow", "unpacked"]


class _Found(BaseException):
    """Ends the flow file's execution at the point where it would start the command line."""

    def __init__(self, flow: type[FlowSpec]) -> None:
        super().__init__(flow.__name__)
        self.flow = flow


def _found(flow: type[FlowSpec]) -> None:
    raise _Found(flow)


def load_flow(path: str, flow: str) -> type[FlowSpec]:
    """Execute a flow file as ``__main__`` up to ``MyFlow()`` and return the flow class.

    So the module is in the state it has in a local run, and classes of the file are pickled alike everywhere.

    Parameters
    ----------
    path : str
        The flow file.
    flow : str
        The flow's name.

    Raises
    ------
    TaskError
        If the file can't be read or has no such flow.
    """
    path = os.path.abspath(path)
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise TaskError("The flow file can't be read.", seen=str(error), where=path) from error
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(path))
    found: type[FlowSpec] | None = None
    FlowSpec.__flow_launcher__ = _found
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except _Found as stop:
        found = stop.flow
    finally:
        FlowSpec.__flow_launcher__ = None
    if found is None or found.__name__ != flow:
        found = module.__dict__.get(flow)
    if not (isinstance(found, type) and issubclass(found, FlowSpec)):
        raise TaskError(
            f"The flow file defines no flow {flow!r}.",
            where=path,
            help="Keep the class and its file as they were deployed, or deploy again.",
        )
    by_value_module("__main__", module)
    return found


def unpacked(package: bytes, digest: str) -> str:
    """Unpack a code package once on this machine; where that was done before, see that it is still whole.

    Parameters
    ----------
    package : bytes
        The package.
    digest : str
        Its hash; names the folder.

    Returns
    -------
    str
        The folder, private to this user, shared by all tasks of the package.
    """
    from flow_sdk.store.durable import sync_folder
    from flow_sdk.store.package import mend, unpack

    base = os.path.join(tempfile.gettempdir(), f"flow_sdk-code-{os.getuid()}")
    os.makedirs(base, mode=0o700, exist_ok=True)
    facts = os.lstat(base)
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise FlowSDKError(
            "The folder for unpacked code isn't private.",
            where=base,
            help="Remove it, or set TMPDIR to a folder of your own.",
        )
    folder = os.path.join(base, digest)
    if os.path.isdir(folder):
        mend(package, folder)  # a cleaner of temporary files takes some, a step may write over others
        return folder
    fresh = tempfile.mkdtemp(dir=base)
    try:
        unpack(package, fresh)
        os.rename(fresh, folder)
        sync_folder(base)
    except OSError:
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
