"""Loading the user's flow file in a task process: as a script, as ``python -m`` does, or imported."""

import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import CodeType

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import PlanError, TaskError
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.package.entry import import_base
from flow_sdk.store.pickling.flow_modules import register_flow_module

__all__ = ["CompiledFile", "load_flow", "load_packaged_flow"]


class _Found(BaseException):
    """Ends the flow file's execution at the point where it would start the command line."""

    def __init__(self, flow: type[FlowSpec]) -> None:
        super().__init__(flow.__name__)
        self.flow = flow


def _stop_at_flow(flow: type[FlowSpec]) -> None:
    raise _Found(flow)


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A flow file's text, and what it was compiled to."""

    source: bytes
    code: CodeType


def load_flow(
    path: str,
    flow: str,
    *,
    module: str = "",
    imported: bool = False,
    search_path: Sequence[str] = (),
    arguments: Sequence[str] = (),
    compiled: CompiledFile | None = None,
) -> type[FlowSpec]:
    """Execute a flow file up to ``MyFlow()`` and return the flow class.

    So the module is in the state it has where the run was started, and classes of the file are pickled alike
    everywhere. What the file does before ``MyFlow()``, a task does, too, its main guard included.

    Parameters
    ----------
    path : str
        The flow file.
    flow : str
        The flow's name.
    module : str
        Dotted name of its module. With it the file is executed as ``python -m`` does: as ``__main__``, but with the
        ``__package__`` that relative imports need. Without it the file is executed as a script.
    imported : bool
        Whether to import the module under its own name instead.
    search_path : sequence of str
        Folders that ``sys.path`` is to begin with; the folder that the script or the top-level module lies in when
        empty.
    arguments : sequence of str
        What follows the file's path in ``sys.argv``.
    compiled : CompiledFile, optional
        The file, where it was read and compiled before.

    Raises
    ------
    TaskError
        If the file can't be read, ends by itself or has no such flow.
    """
    path = os.path.abspath(path)
    first = list(search_path) or [import_base(path, module)]
    sys.path[:] = [*first, *(folder for folder in sys.path if folder not in first)]
    sys.argv = [path, *arguments]
    source: bytes | None = None
    if imported:
        loaded, found = _import_module(module, path, flow)
    else:
        compiled = compiled or _compile_file(path)
        source = compiled.source
        loaded, found = _execute_as_main(path, module, flow, compiled.code)
    if found is None or found.__name__ != flow:
        found = loaded.__dict__.get(flow)
    if not (isinstance(found, type) and issubclass(found, FlowSpec)):
        raise TaskError(
            f"The flow file defines no flow {flow!r}.",
            where=path,
            help="Keep the class and its file as they were deployed, or deploy again.",
        )
    if not imported:
        register_flow_module("__main__", loaded, source)
    return found


def load_packaged_flow(folder: str, plan: FlowPlan, arguments: Sequence[str] = ()) -> type[FlowSpec]:
    """Load the flow of an unpacked code package, as it was loaded where it was deployed.

    The current folder becomes that of the script, or the package's root for a module.

    Parameters
    ----------
    folder : str
        Where the code package is unpacked.
    plan : FlowPlan
        The plan that belongs to it.
    arguments : sequence of str
        What follows the file's path in ``sys.argv``.

    Raises
    ------
    PlanError
        If the plan leads out of the package.
    TaskError
        If the file can't be read or has no such flow.
    """
    for name in (plan.file, *plan.paths):
        if os.path.isabs(name) or ".." in name.split("/"):
            raise PlanError("The flow plan leads out of its code package.", seen=repr(name))
    file = os.path.join(folder, *plan.file.split("/"))
    os.chdir(folder if plan.module or not os.path.isfile(file) else os.path.dirname(file))
    search_path = [os.path.normpath(os.path.join(folder, name)) for name in plan.paths]
    return load_flow(
        file,
        plan.flow,
        module=plan.module,
        imported=plan.imported,
        search_path=search_path,
        arguments=arguments,
    )


def _compile_file(path: str) -> CompiledFile:
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise TaskError("The flow file can't be read.", seen=str(error), where=path) from error
    return CompiledFile(source, compile(source, path, "exec", dont_inherit=True))


def _execute_as_main(path: str, name: str, flow: str, code: CodeType) -> tuple[types.ModuleType, type[FlowSpec] | None]:
    """Execute a file as ``__main__``; returns the module and the flow that it has called."""
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__loader__ = SourceFileLoader("__main__", path)
    if name:
        _set_package(module, name)
    sys.modules["__main__"] = module
    return module, _flow_called_by(lambda: exec(code, module.__dict__), path, flow)


def _set_package(module: types.ModuleType, name: str) -> None:
    """Give ``__main__`` what ``python -m`` gives it; imports the packages that it is in."""
    from importlib.util import find_spec

    spec = find_spec(name)
    if spec is None:
        raise TaskError(f"There's no module {name!r}.", seen=f"sys.path of {sys.path[:3]}", help="Deploy again.")
    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, spec.parent


def _import_module(name: str, path: str, flow: str) -> tuple[types.ModuleType, type[FlowSpec] | None]:
    """Import a module under its own name; returns it and the flow that it has called, if it has."""
    import importlib

    found = _flow_called_by(lambda: importlib.import_module(name), path, flow)
    if name not in sys.modules:
        raise TaskError(f"The module {name!r} calls a flow when it is imported.", where=path)
    return sys.modules[name], found


def _flow_called_by(execute: Callable[[], object], path: str, flow: str) -> type[FlowSpec] | None:
    """Execute code up to where it calls a flow, which then isn't started; returns the flow."""
    owner = os.getpid()
    FlowSpec.__flow_launcher__ = _stop_at_flow
    try:
        execute()
    except _Found as stop:
        return stop.flow
    except SystemExit as error:
        if os.getpid() != owner:
            raise  # the end of a process that the file has forked
        raise TaskError(
            f"The flow file ended before it came to {flow}().",
            seen=f"sys.exit({error.code!r})",
            where=path,
            help="Each task executes the file as the run did, up to the call of the flow.",
        ) from error
    finally:
        FlowSpec.__flow_launcher__ = None
    return None
