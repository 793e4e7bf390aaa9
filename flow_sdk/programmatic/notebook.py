"""``NBRunner`` and ``NBDeployer``: flows that were written in a cell of a notebook."""

import ast
import linecache
import os
import sys
import tempfile
import weakref
from collections.abc import Mapping
from typing import Any

from flow_sdk.authoring.flow import step_functions
from flow_sdk.client import Run
from flow_sdk.errors import UsageError
from flow_sdk.programmatic.cell_names import missing_names
from flow_sdk.programmatic.deployer import Deployer
from flow_sdk.programmatic.runner import Runner

__all__ = ["NBDeployer", "NBRunner", "flow_file_text"]

_NOTEBOOK = {"NBRunner", "NBDeployer", "get_ipython"}
"""What uses one of these belongs to the notebook and not to the flow."""


class NBRunner(Runner):
    """Run a flow that was written in a notebook's cell. The cell also holds the imports and functions that it uses.

    Parameters
    ----------
    flow : type
        The flow's class.
    show_output : bool
        Whether what is printed is shown.
    profile : str, optional
        The profile of settings to use.
    env : dict of str to str, optional
        Environment variables besides those of this process.
    base_dir : str, optional
        The folder to run it in, and to write its file to; this process's by default.
    file_read_timeout : int
        Known from elsewhere, and not needed.
    **kwargs : Any
        Options of every command; see :class:`Runner`.
    """

    def __init__(
        self,
        flow: type,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        base_dir: str | None = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self._cell = _CellFile(flow, base_dir)
        super().__init__(self._cell.path, show_output, profile, env, self._cell.folder, **kwargs)
        self._file.cell = self._cell

    def nbrun(self, **kwargs: Any) -> Run:
        """Run the flow, wait for its end, and return the run. See :meth:`Runner.run`."""
        return self.run(**kwargs).run

    def nbresume(self, **kwargs: Any) -> Run:
        """Resume a run, wait for its end, and return the new one. See :meth:`Runner.resume`."""
        return self.resume(**kwargs).run

    def cleanup(self) -> None:
        """End what is still running, and remove the temporary files and the flow's."""
        super().cleanup()
        self._cell.remove_file()


class NBDeployer(Deployer):
    """Deploy a flow that was written in a notebook's cell. See :class:`NBRunner` and :class:`Deployer`.

    Parameters
    ----------
    flow : type
        The flow's class.
    show_output : bool
        Whether what the commands say is shown.
    profile : str, optional
        The profile of settings to use.
    env : dict of str to str, optional
        Environment variables besides those of this process.
    base_dir : str, optional
        The folder whose files go along with the flow; this process's by default.
    file_read_timeout : int
        Known from elsewhere, and not needed.
    **kwargs : Any
        Options of every command.
    """

    def __init__(
        self,
        flow: type,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        base_dir: str | None = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self._cell = _CellFile(flow, base_dir)
        super().__init__(self._cell.path, show_output, profile, env, self._cell.folder, **kwargs)
        self._file.cell = self._cell

    def cleanup(self) -> None:
        """Remove the flow's file. The deployment has its code; a later command writes the file again."""
        self._cell.remove_file()


class _CellFile:
    """A flow file made of a cell; removed when nothing that needs it is left: runner, deployed flow, runs."""

    def __init__(self, flow: type, base_dir: str | None) -> None:
        self._text = flow_file_text(flow)
        self.folder = os.path.abspath(base_dir or os.getcwd())
        try:
            descriptor, self.path = tempfile.mkstemp(".py", f"{flow.__name__.lower()}_", self.folder)
        except OSError as error:
            raise UsageError(
                "The flow's file can't be written.", seen=error.strerror, where=self.folder, help="Give base_dir=."
            ) from error
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(self._text)
        self._finalizer = weakref.finalize(self, _remove_file, self.path, os.getpid())

    def remove_file(self) -> None:
        """Remove the file; :meth:`restore` writes it again."""
        self._finalizer()

    def restore_file(self) -> None:
        """Write the file again if it was removed, for a command that comes after the cleanup."""
        if os.path.exists(self.path):
            return
        try:
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(self._text)
        except OSError as error:
            raise UsageError("The flow's file can't be written.", seen=error.strerror, where=self.path) from error
        self._finalizer = weakref.finalize(self, _remove_file, self.path, os.getpid())


def _remove_file(path: str, owner: int) -> None:
    if os.getpid() == owner and os.path.exists(path):
        os.unlink(path)


def flow_file_text(flow: type) -> str:
    """Make a flow file of the cell that a flow's class was written in.

    Parameters
    ----------
    flow : type
        The class.

    Returns
    -------
    str
        The cell's imports, definitions and assignments, but for what runs or deploys a flow; and a last line that runs
        this one.

    Raises
    ------
    UsageError
        If it is no flow, its source isn't known, or the cell lacks what the flow uses.
    """
    try:
        steps = step_functions(flow)
    except (AttributeError, TypeError):
        steps = {}
    own = [function for name, function in steps.items() if name in vars(flow)]
    if not own:
        raise UsageError("This isn't a flow with steps of its own.", seen=repr(flow))
    name = own[-1].__code__.co_filename
    source = "".join(linecache.getlines(name, vars(sys.modules.get(flow.__module__, sys))))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        tree = ast.Module([], [])
    if not any(isinstance(node, ast.ClassDef) and node.name == flow.__name__ for node in tree.body):
        raise UsageError(
            f"The source of {flow.__name__} isn't known.", where=name, help="Run the cell again, or write a flow file."
        )
    kept: list[ast.stmt] = []
    gone = set(_NOTEBOOK)
    for node in tree.body:
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kept.append(node)
        elif _is_main(node):
            continue
        elif names & gone:
            gone |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and _is_set(inner)}
        else:
            kept.append(node)
    text = "\n".join(ast.get_source_segment(source, node, padded=True) or "" for node in map(_include_decorators, kept))
    if missing := missing_names(text, flow.__name__, own[-1].__globals__, gone):
        raise UsageError(
            f"The cell of {flow.__name__} has to hold its imports, too.",
            seen=f"not defined in the cell: {', '.join(missing)}",
            where=name,
            help="Put the imports, functions and values that the flow uses into the flow's cell.",
        )
    return f'{text}\n\n\nif __name__ == "__main__":\n    {flow.__name__}()\n'


def _is_set(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _is_main(node: ast.stmt) -> bool:
    """Return whether a statement runs the flow: ``if __name__ == "__main__"``."""
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}


def _include_decorators(node: ast.stmt) -> ast.stmt:
    """Return a definition together with its decorators."""
    first = min((one.lineno for one in getattr(node, "decorator_list", [])), default=node.lineno)
    node.lineno, node.col_offset = first, 0
    return node
