"""What may stand at the cursor of a command line that is being typed, for the shells' completion.

The scripts that ``flow-sdk completion`` prints call this module. It reads the flow file and executes nothing of it, and
asks no service: run ids come from a store in a folder.
"""

from __future__ import annotations

import os
import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.errors import FlowSDKError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flow_sdk.cli.flow_source import FlowSource

__all__ = ["complete_console", "complete_flow", "main"]

Candidates = list[tuple[str, str]]
"""Words that may follow, each with a short explanation."""

_MOST_RUNS = 50
_RUN = "RUN"
"""What the metavar of options, and the name of arguments, that take a run begins with."""


def complete_flow(file: str, words: Sequence[str]) -> Candidates:
    """Return what may stand at the cursor of ``python FILE ...``.

    Parameters
    ----------
    file : str
        The flow file.
    words : sequence of str
        The words behind the file; the last one is that at the cursor, perhaps empty.
    """
    from flow_sdk.cli.flow_source import read_flow_source
    from flow_sdk.cli.registry import COMMANDS, GENERAL, load_command

    source = read_flow_source(file)
    if source is None:
        return []
    summaries = {name: summary for name, (_, summary) in COMMANDS.items()}
    line = _TypedLine(words, summaries, GENERAL)
    if line.command_name is not None:
        command = load_command(line.command_name)
        parameters = [Option(name, "Parameter of the flow.") for name in source.parameters]
        line.use_command(command, parameters if command.parameters is not None else ())
    return line.find_candidates(source)


def complete_console(words: Sequence[str]) -> Candidates:
    """Return what may stand at the cursor of ``flow-sdk ...``.

    Parameters
    ----------
    words : sequence of str
        The words behind the program; the last one is that at the cursor, perhaps empty.
    """
    from flow_sdk.cli.console_commands import CONSOLE_COMMANDS, load_console_command

    summaries = {name: summary for name, (_, summary) in CONSOLE_COMMANDS.items()}
    line = _TypedLine(words, summaries, (Option("help", "Show help and exit.", flag=True),))
    if line.command_name is not None:
        line.use_command(load_console_command(line.command_name))
    return line.find_candidates(None)


class _TypedLine:
    """A command line up to the cursor.

    Parameters
    ----------
    words : sequence of str
        Its words; the last one is that at the cursor.
    summaries : mapping of str to str
        What each command does, by its name.
    general : sequence of Option
        The options of every command.
    """

    def __init__(self, words: Sequence[str], summaries: Mapping[str, str], general: Sequence[Option]) -> None:
        *self._before, self._current = words or [""]
        self._summaries = summaries
        self._options = {option.name: option for option in general}
        self._command: Command | None = None
        found = self._positional_words()
        two, one = " ".join(found[:2]), " ".join(found[:1])
        self.command_name = two if len(found) > 1 and two in summaries else one if one in summaries else None

    def use_command(self, command: Command, parameters: Iterable[Option] = ()) -> None:
        """Take the options and arguments of the command that the line has."""
        self._command = command
        self._options = {option.name: option for option in (*self._options.values(), *command.options, *parameters)}

    def find_candidates(self, source: FlowSource | None) -> Candidates:
        """Return the words that may stand at the cursor; none where a file's name may."""
        if "--" in self._before:
            return []
        name, equals, text = self._current.partition("=")
        if equals and name.startswith("--"):
            return [
                (f"{name}={value}", help)
                for value, help in self._option_values(self._options.get(name[2:]), text, source)
            ]
        option = self._open_option()
        if option is not None:
            return self._option_values(option, self._current, source)
        if self._current.startswith("-"):
            return self._match_current((f"--{option.name}", option.help) for option in self._shown_options())
        return self._match_current([*self._next_words(), *self._argument_values(source)])

    def _match_current(self, found: Iterable[tuple[str, str]]) -> Candidates:
        return sorted({word: help for word, help in found if word.startswith(self._current)}.items())

    def _shown_options(self) -> list[Option]:
        given = {word[2:].partition("=")[0] for word in self._before if word.startswith("--")}
        return [one for one in self._options.values() if not one.hidden and (one.repeat or one.name not in given)]

    def _positional_words(self) -> list[str]:
        """Return the words before the cursor that are neither options nor their values."""
        found: list[str] = []
        takes_value = False
        for word in self._before:
            option = self._options.get(word[2:]) if word.startswith("--") else None
            if not takes_value and not word.startswith("-"):
                found.append(word)
            takes_value = not takes_value and option is not None and not option.flag
        return found

    def _open_option(self) -> Option | None:
        """Return the option whose value stands at the cursor."""
        last = self._before[-1] if self._before else ""
        option = self._options.get(last[2:]) if last.startswith("--") else None
        return option if option is not None and not option.flag else None

    def _next_words(self) -> Iterable[tuple[str, str]]:
        """Return the words of commands that may follow."""
        typed = self._positional_words()
        for name, summary in self._summaries.items():
            words = name.split()
            if words[: len(typed)] == typed and len(words) > len(typed):
                whole = len(words) == len(typed) + 1
                yield words[len(typed)], summary if whole else f"{words[len(typed)]} commands"

    def _argument_values(self, source: FlowSource | None) -> Candidates:
        if self._command is None or self.command_name is None:
            return []
        count = len(self._positional_words()) - len(self.command_name.split())
        arguments = self._command.arguments
        if not arguments or (count >= len(arguments) and not arguments[-1].repeat):
            return []
        argument: Argument = arguments[min(count, len(arguments) - 1)]
        if "|" in argument.name:
            return [(choice, argument.help) for choice in argument.name.split("|")]
        return self._named_values(argument.name, self._current, source)

    def _option_values(self, option: Option | None, text: str, source: FlowSource | None) -> Candidates:
        if option is None:
            return []
        found = [(choice, option.help) for choice in option.choices]
        found += self._named_values(option.metavar, text, source) if not option.choices else []
        return sorted((value, help) for value, help in found if value.startswith(text))

    def _named_values(self, kind: str, text: str, source: FlowSource | None) -> Candidates:
        """Return values by what the help calls them: runs, tasks of a run, steps."""
        if source is None:
            return []
        if kind.startswith(_RUN):
            return _stored_paths(self._store_root(), source.flow, text, deep="/" in kind)
        return [(step, f"Step of {source.flow}.") for step in source.steps] if kind == "STEP" else []

    def _store_root(self) -> str | None:
        """Return the folder of the store that the line names, else the setting's; None for a store that isn't local."""
        from flow_sdk.default_store import datastore_root

        given: dict[str, str] = {}
        for word, following in zip(self._before, [*self._before[1:], ""], strict=True):
            name, equals, value = word.partition("=")
            given[name] = value if equals else following
        root = given.get("--datastore-root")
        try:
            root = root if root is not None else datastore_root(given.get("--datastore"))
        except FlowSDKError:
            return None
        return None if "://" in root else os.path.expanduser(root)


def _stored_paths(root: str | None, flow: str, text: str, *, deep: bool) -> Candidates:
    """Return the newest runs; with ``deep``, and where the text has them, the steps and tasks below a run."""
    if root is None:
        return []
    from flow_sdk.metadata.index import RunIndex
    from flow_sdk.store.open_store import open_store
    from flow_sdk.store.records import layout

    run, *below = text.split("/") if deep else [text]
    try:
        store = open_store(root, create=False)
        if not below:
            runs = RunIndex(store, flow).newest(limit=_MOST_RUNS)
            return [(name, f"Run of {flow}.") for name in runs]
        if len(below) == 1:
            return [(f"{run}/{step}", "Step.") for step in store.folders(layout.steps_prefix(flow, run))]
        return [
            (f"{run}/{below[0]}/{task}", "Task.") for task in store.folders(layout.tasks_prefix(flow, run, below[0]))
        ]
    except FlowSDKError:
        return []


def main() -> None:
    """Print candidates, one a line, for ``python -P -m flow_sdk.cli.completion FILE WORD...``."""
    file, *words = sys.argv[1:] or [""]
    print_candidates(complete_flow(file, words))


def print_candidates(candidates: Candidates) -> None:
    """Print each candidate on a line, with a tab before its explanation."""
    for word, help in candidates:
        if word.isprintable():
            print(f"{word}\t{' '.join(help.split())}")


if __name__ == "__main__":
    main()
