"""The command line of one command: its words and options, with those that the environment adds."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.environment import NAMES, OF_RUNS, take_environment
from flow_sdk.cli.registry import GENERAL
from flow_sdk.cli.terminal import print_message
from flow_sdk.config import DATASTORES, check_profile
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["CommandLine"]

INACTIVE_ENVIRONMENTS = ("conda", "fast-bakery", "pypi", "uv")
"""Values of ``--environment`` that are known from Metaflow and have no effect in this release."""


class CommandLine:
    """The command line of one command.

    Parameters
    ----------
    name : str
        The command's name, such as ``tag add``.
    parsed : Parsed
        What was typed; options that the environment gives are added to it.

    Raises
    ------
    UsageError
        If an option of the environment has a wrong value, or a profile of settings can't be used.
    """

    def __init__(self, name: str, parsed: Parsed) -> None:
        self.name = name
        self.words = parsed.words
        self.values = parsed.values
        self.parameters = parsed.parameters
        self.given = parsed.given
        self.sources: dict[str, str] = {}
        """The variable that gave an option, by the option's name."""
        self._parsed = parsed
        check_profile()
        self.add_environment(NAMES)
        if name in ("run", "resume"):
            self._add_environment_of_runs()
        _check_general(parsed.values, self.sources)

    def __getitem__(self, option: str) -> Any:
        """Return the value of an option."""
        return self.values[option]

    def add_environment(self, names: Iterable[str]) -> None:
        """Add the options of these names that the environment gives and the line doesn't."""
        self.sources.update(take_environment(self._parsed, GENERAL, names))

    def _add_environment_of_runs(self) -> None:
        """Add the options of runs that the environment gives. No parameter is called like one of them."""
        from flow_sdk.cli.run_options import RUN_OPTIONS

        self.sources.update(take_environment(self._parsed, (*GENERAL, *RUN_OPTIONS), OF_RUNS, self.name))

    def log(self, text: str) -> None:
        """Print a message that isn't the result: on stderr, unless ``--quiet`` is given."""
        if not self.values["quiet"]:
            print_message(text)

    @property
    def inactive_environment(self) -> str | None:
        """Return the option or variable with its value, such as ``--environment=conda``, that has no effect."""
        value = self.values["environment"]
        return f"{self.sources.get('environment', '--environment')}={value}" if value not in (None, "local") else None

    def read_pathspec(self, flow: str, optional: str = "") -> str:
        """Return the one argument that names a run, step or task, without the flow's name.

        Parameters
        ----------
        flow : str
            The flow's name, which may stand in front.
        optional : str
            A word that may come before the argument; other tools need it.

        Raises
        ------
        UsageError
            If there isn't exactly one such argument.
        """
        words = [word for word in self.words if word != optional]
        if len(words) != 1:
            seen = " ".join(self.words)
            raise UsageError(f"{self.name} needs one run, step or task.", seen=seen, wanted="run[/step[/task]]")
        path = words[0].removeprefix(f"{flow}/")
        if path.count("/") > 2:
            name = path.split("/", 3)[3]
            advice = f"For one artifact: {self.name} {path[: -len(name) - 1]} --include {name}"
            raise UsageError(
                f"{self.name} needs one run, step or task.",
                seen=words[0],
                wanted="RUN[/STEP[/TASK]]",
                help=advice if "include" in self.values and name.isidentifier() else None,
            )
        return path


def _check_general(values: dict[str, Any], variables: dict[str, str]) -> None:
    """Refuse values of the general options that mean nothing here; ``variables`` gave those of the environment."""
    metadata, datastore = values["metadata"], values["datastore"]
    if metadata is not None and metadata not in DATASTORES:
        raise UsageError(
            f"--metadata can't be {metadata!r}.",
            wanted=f"{' or '.join(DATASTORES)}, or no such option: runs are found through the store itself",
        )
    if metadata and datastore and metadata != datastore:
        # The peer pairs local metadata with an S3 store; here the store decides.
        values["metadata"] = datastore
    if values["environment"] not in (None, "local", *INACTIVE_ENVIRONMENTS):
        raise UsageError(
            f"{variables.get('environment', '--environment')} can't be {values['environment']!r}.",
            wanted="local",
            help="Environments with packages of their own aren't in this release: "
            f"{', '.join(INACTIVE_ENVIRONMENTS)} are accepted for a run on this machine, and have no effect.",
        )
