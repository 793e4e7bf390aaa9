"""From Python's arguments to a command line of a flow file, and to its parameters as data."""

import base64
import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from flow_sdk.cli.caller import COMMAND_INFO, RESULT
from flow_sdk.cli.parser import Command, Option
from flow_sdk.cli.registry import GENERAL, load_command
from flow_sdk.config import profile_file
from flow_sdk.errors import ParameterError, UsageError
from flow_sdk.programmatic.process import CellFile, Process, temporary_folder
from flow_sdk.text import suggest_name

__all__ = ["FlowFile", "read_command_info", "read_result"]

_OTHER_NAMES = {"tags": "tag", "decospecs": "with", "with_": "with", "aws_batch_tags": "aws-batch-tag"}
"""How options are called in Python, where that isn't their own name with ``_`` for ``-``."""


_CONFIGS = ("config", "config_value")
"""Options of flows with a ``Config``; each takes a dict, or pairs, of values by config name."""


class FlowFile:
    """A flow file, and how its commands are called.

    Parameters
    ----------
    flow_file : str
        Its path.
    show_output : bool
        Whether what a command prints is shown while one waits for it.
    profile : str or None
        The profile of settings to use, as ``METAFLOW_PROFILE`` names it.
    env : mapping or None
        Environment variables besides those of this process.
    cwd : str or None
        The folder to call it in.
    general : dict
        Options of every command, by their Python names.
    """

    def __init__(
        self,
        flow_file: str,
        show_output: bool,
        profile: str | None,
        env: Mapping[str, str] | None,
        cwd: str | None,
        general: dict[str, Any],
    ) -> None:
        self.cwd = None if cwd is None else os.path.abspath(cwd)
        self.file = os.path.abspath(flow_file)
        if self.cwd is not None and not os.path.isfile(self.file):
            self.file = os.path.join(self.cwd, flow_file)
        if not os.path.isfile(self.file):
            raise UsageError("There is no such flow file.", where=self.file)
        if self.cwd is not None and not os.path.isdir(self.cwd):
            raise UsageError("There is no such folder.", where=self.cwd)
        self.program = [self.file]
        """What the interpreter is started with: the flow file, or a module and its arguments."""
        self.cell: CellFile | None = None
        """The temporary file of a notebook's cell, kept for as long as a command may be called."""
        self.show_output = show_output
        self.environment = {"PYTHONIOENCODING": "utf-8", **os.environ, **(env or {})}
        if profile is not None:
            # This variable names one of our profiles or one of Metaflow's.
            if profile:
                profile_file(profile, self.environment, "profile=")
            self.environment["METAFLOW_PROFILE"] = profile
            self.environment.pop("FLOW_SDK_PROFILE", None)
        options = {option.name: option for option in GENERAL}
        self._general: list[str] = []
        for name, value in general.items():
            if name in _CONFIGS:
                self._general += _config_words(name, value)
                continue
            option = options.get(option_name(name))
            if option is None:
                raise UsageError(
                    f"There's no option {name!r} for a flow file.",
                    help=suggest_name(name, [python_name(o.name) for o in GENERAL if not o.hidden]),
                )
            self._general += _option_words(option, value)

    def start_command(
        self, name: str, given: dict[str, Any], arguments: tuple[str, ...] = (), files: tuple[str, ...] = ()
    ) -> Process:
        """Start a command.

        Parameters
        ----------
        name : str
            Its name, such as ``airflow create``.
        given : dict
            Its options by their Python names; whatever is none is a parameter of the flow.
        arguments : tuple of str
            Its positional arguments.
        files : tuple of str
            Options that name a file to write to: it gets the option's own name, in the process's folder.

        Raises
        ------
        UsageError
            If an argument is neither, or can't be given.
        """
        command = load_command(name)
        options = {option.name: option for option in (*GENERAL, *command.options)}
        words, parameters = [*name.split()], {}
        for key, value in given.items():
            option = options.get(option_name(key))
            if option is not None and not option.hidden:
                words += _option_words(option, value)
            elif command.parameters is not None:
                parameters[key] = _as_data(key, value)
            else:
                raise _unknown_option(name, key, command)
        words += arguments
        folder = temporary_folder()
        try:
            words += [f"--{name}={os.path.join(folder, name)}" for name in files]
            line = [sys.executable, *self.program, *self._general, f"--caller={folder}", *words]
            if self.cell is not None:
                self.cell.restore_file()
            return Process(line, parameters, self.environment, self.cwd, folder, cell=self.cell)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def read_command_info(process: Process) -> dict[str, Any] | None:
    """Return what a command reported that it works on; None if it hasn't yet, or has failed before."""
    found: dict[str, Any] | None = _read_report(process, COMMAND_INFO)
    return found


def read_result(process: Process) -> Any:
    """Return the result that a command left: its document or its text; None where it had nothing to do.

    What is on stdout isn't read, as the flow file prints there, too.
    """
    return _read_report(process, RESULT)


def _read_report(process: Process, name: str) -> Any:
    try:
        with open(process.file_path(name), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def option_name(name: str) -> str:
    """Return an option's name, from what it is called in Python."""
    return _OTHER_NAMES.get(name) or name.replace("_", "-")


def python_name(name: str) -> str:
    """Return what an option is called in Python."""
    return "decospecs" if name == "with" else name.replace("-", "_")


def _option_words(option: Option, value: Any) -> list[str]:
    if value is None:
        return []
    if option.flag:
        if not isinstance(value, bool):
            raise UsageError(f"{python_name(option.name)} can't be {value!r}.", wanted="True or False")
        # Left out means False but for the few that distinguish "no" from "not given".
        return [f"--{option.name}" if value else f"--no-{option.name}"]
    if option.repeat and isinstance(value, list | tuple | set | frozenset):
        return [f"--{option.name}={one}" for one in value]
    if isinstance(value, bool | bytes | list | tuple | dict | set):
        raise UsageError(f"{python_name(option.name)} can't be {value!r}.", wanted="text or a number")
    return [f"--{option.name}={value}"]


def _config_words(name: str, value: Any) -> list[str]:
    pairs = list(value.items() if isinstance(value, Mapping) else value or ())
    words: list[str] = []
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise UsageError(f"{name} can't be {value!r}.", wanted="a dict, or a list of pairs, by config name")
        config, given = pair
        if name == "config":
            given = os.fspath(given)
        elif not isinstance(given, str):
            given = json.dumps(_as_data(config, given))
        words += [f"--{option_name(name)}", config, given]
    return words


def _as_data(name: str, value: Any) -> Any:
    """Return a parameter's value as JSON data."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, tuple):
        value = list(value)
    try:
        json.dumps(value).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"The value of {name!r} can't be handed to the flow.",
            seen=f"a {type(value).__name__}: {error}",
            wanted="text, a number, True or False, or lists and dicts of them",
        ) from None
    return value


def _unknown_option(name: str, key: str, command: Command) -> UsageError:
    known = [python_name(option.name) for option in (*command.options, *GENERAL) if not option.hidden]
    return UsageError(f"{name} has no option {key!r}.", help=suggest_name(key, known))
