"""What a deploy target declares of itself: names, commands, options, and what it can do.

The command line, its help and ``Deployer`` read a declaration without importing the target. So this module imports
nothing that is heavy, and its classes are plain ones.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.options import OUTPUT, Argument, Option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_sdk.deploy.port import DeployTarget

__all__ = ["AUTHORIZE", "RunStatus", "TargetCommand", "TargetDeclaration"]

AUTHORIZE = Option("authorize", "The production token, if another user made it; needed once.", metavar="TOKEN")

TOKEN_OPTIONS = (
    AUTHORIZE,
    Option("generate-new-token", "Make a new production token, and with it an empty namespace.", flag=True),
)

RUN_ID_OPTIONS = (
    Option("run-id", "Id of the run; one is made when left out. An id that a run has had is refused.", metavar="ID"),
    Option("run-id-file", "File to write the run's id to.", metavar="PATH"),
)


class RunStatus:
    """A status that a run can have.

    Parameters
    ----------
    name : str
        In capital letters with ``_`` between words, as people and programs see it. ``SUCCEEDED`` and ``FAILED`` mean
        the same on every target; ``TIMED_OUT`` and ``ABORTED`` are failures, too.
    description : str
        What the runs do, as in "Those that are running."
    """

    __slots__ = ("description", "name")

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description

    @property
    def option_name(self) -> str:
        """The option of ``list-runs`` that selects these runs."""
        return self.name.lower().replace("_", "-")


class TargetCommand:
    """A command of a target.

    Parameters
    ----------
    verb : str
        Its name after the target's.
    summary : str
        What it does: one sentence for the help.
    arguments : sequence of Argument
        Its positional arguments.
    options : sequence of Option
        Its options. A command that only one target has gets those for name and connection in addition.
    has_parameters : bool
        Whether it takes the flow's parameters.
    needs_token : bool
        Whether it asks for the production token.
    """

    __slots__ = ("arguments", "has_parameters", "needs_token", "options", "summary", "verb")

    def __init__(
        self,
        verb: str,
        summary: str,
        *,
        arguments: Sequence[Argument] = (),
        options: Sequence[Option] = (),
        has_parameters: bool = False,
        needs_token: bool = False,
    ) -> None:
        self.verb = verb
        self.summary = summary
        self.arguments = tuple(arguments)
        self.options = tuple(options)
        self.has_parameters = has_parameters
        self.needs_token = needs_token


class TargetDeclaration:
    """A deploy target, as its users see it.

    Parameters
    ----------
    name : str
        What its commands begin with, such as ``step-functions``; also the kind of orchestrator in records and tags.
    title : str
        What it is called in messages, such as ``Step Functions``.
    implementation : str
        ``module:class`` of its :class:`~flow_sdk.deploy.port.DeployTarget`.
    statuses : sequence of RunStatus
        The statuses of its runs, in the order of the options of ``list-runs``.
    runtime_adapter : str, optional
        ``module:class`` of its :class:`~flow_sdk.runtime.orchestrator.OrchestratorAdapter`, which its tasks load; they
        need nothing of their own by default.
    service, location : str, optional
        Where it runs flows, for summaries: ``AWS`` and ``on AWS``. The title, and ``in`` with the title, by default.
    python_name : str, optional
        The method of ``Deployer`` that deploys to it; the name with ``_`` for ``-`` by default.
    result_name : str, optional
        The property of a deployed flow in Python that holds what ``create`` prints.
    create_summary, name_help, run_help, status_help : str, optional
        Texts of the help.
    create_options : sequence of Option
        Options of ``create`` besides name, tags and token.
    create_argument, delete_argument : Argument, optional
        Where to write to, and where to delete from, for a target that needs a location.
    delete_options : sequence of Option
        Options of ``delete`` besides name and token.
    connection_options : sequence of Option
        Options of all commands that say how the orchestrator is reached.
    token_options : sequence of Option
        Options of the commands that ask for the production token.
    local_options : sequence of str
        Options that concern one machine or one call only: the command that is shown to other deployers lacks them.
    commands : sequence of TargetCommand
        Commands that no other target has, such as ``rollback``.
    render_help, preview_help : str, optional
        Help of ``create --only-json`` and ``create --dry-run``; a target without one doesn't have that option.
    column, run_id_width : str, int
        Head of the last column of ``list-runs``, and the characters that the id of a run has as a rule.
    has_ordered_json : bool
        Whether parameters keep the order of keys on their way; where they don't, such objects are sent as text.
    explains_unbegun_runs : bool
        Whether ``list-runs`` shows why a run failed that the store knows nothing of.
    """

    def __init__(
        self,
        name: str,
        title: str,
        implementation: str,
        *,
        statuses: Sequence[RunStatus],
        runtime_adapter: str = "",
        service: str = "",
        location: str = "",
        python_name: str = "",
        result_name: str = "",
        create_summary: str = "",
        name_help: str = "The deployed name; the flow's name when left out. Not with @project.",
        run_help: str = "A run, as trigger and list-runs print it.",
        status_help: str = "",
        create_options: Sequence[Option] = (),
        create_argument: Argument | None = None,
        delete_argument: Argument | None = None,
        delete_options: Sequence[Option] = (),
        connection_options: Sequence[Option] = (),
        token_options: Sequence[Option] = (),
        local_options: Sequence[str] = (),
        commands: Sequence[TargetCommand] = (),
        render_help: str = "",
        preview_help: str = "",
        column: str = "",
        run_id_width: int = 30,
        has_ordered_json: bool = True,
        explains_unbegun_runs: bool = False,
    ) -> None:
        self.name = name
        self.title = title
        self.implementation = implementation
        self.statuses = tuple(statuses)
        self.runtime_adapter = runtime_adapter
        self.service = service or title
        self.location = location or f"in {title}"
        self.python_name = python_name or name.replace("-", "_")
        self.result_name = result_name
        self.create_summary = create_summary or f"Deploy the flow to {title}."
        self.run_help = run_help
        self.status_help = status_help or run_help
        self.create_options = tuple(create_options)
        self.create_argument = create_argument
        self.delete_argument = delete_argument
        self.delete_options = tuple(delete_options)
        self.connection_options = tuple(connection_options)
        self.token_options = tuple(token_options)
        self.local_options = frozenset(local_options)
        self._own_commands = tuple(commands)
        self.render_help = render_help
        self.preview_help = preview_help
        self.column = column
        self.run_id_width = run_id_width
        self.has_ordered_json = has_ordered_json
        self.explains_unbegun_runs = explains_unbegun_runs
        self.name_option = Option("name", name_help, metavar="NAME")

    def __repr__(self) -> str:
        return f"<deploy target {self.name}>"

    @property
    def can_render(self) -> bool:
        """Whether ``create --only-json`` prints the definition and does nothing else."""
        return bool(self.render_help)

    @property
    def can_preview(self) -> bool:
        """Whether ``create --dry-run`` shows what would be made or changed."""
        return bool(self.preview_help)

    def load_target(self) -> DeployTarget:
        """Import the target and return it.

        Raises
        ------
        UsageError
            If its module can't be imported, or holds no such class.
        """
        import importlib

        module, _, name = self.implementation.partition(":")
        try:
            target: DeployTarget = getattr(importlib.import_module(module), name)(self)
        except (ImportError, AttributeError) as error:
            from flow_sdk.errors import UsageError

            raise UsageError(
                f"The deploy target {self.name} can't be loaded.",
                seen=f"{type(error).__name__}: {error}",
                wanted=f"a class {name} in {module}",
                help="Install or update the package that the target comes from.",
            ) from error
        return target

    @property
    def commands(self) -> tuple[TargetCommand, ...]:
        """All commands, in the order of the help: those of every target, and its own before ``delete``."""
        common = (
            self._create_command(),
            self._trigger_command(),
            self._list_command(),
            self._status_command(),
            self._terminate_command(),
        )
        return (*common, *map(self._complete_own, self._own_commands), self._delete_command())

    def find_command(self, verb: str) -> TargetCommand:
        """Return the command of a verb.

        Raises
        ------
        KeyError
            If the target has none.
        """
        return {command.verb: command for command in self.commands}[verb]

    @property
    def own_verbs(self) -> frozenset[str]:
        """The commands that other targets needn't have."""
        return frozenset(command.verb for command in self._own_commands)

    def _complete_own(self, command: TargetCommand) -> TargetCommand:
        token = (AUTHORIZE, *self.token_options) if command.needs_token else ()
        return TargetCommand(
            command.verb,
            command.summary,
            arguments=command.arguments,
            options=[self.name_option, *token, *self.connection_options, *command.options],
            has_parameters=command.has_parameters,
            needs_token=command.needs_token,
        )

    def _create_command(self) -> TargetCommand:
        only = [Option("only-json", self.render_help, flag=True)] if self.can_render else []
        preview = [Option("dry-run", self.preview_help, flag=True)] if self.can_preview else []
        return TargetCommand(
            "create",
            self.create_summary,
            arguments=[self.create_argument] if self.create_argument else [],
            options=[
                self.name_option,
                Option("tag", "Tag of every run.", metavar="TAG", repeat=True),
                *self.create_options,
                *only,
                *preview,
                *self.connection_options,
                *self.token_options,
                *TOKEN_OPTIONS,
                OUTPUT,
            ],
        )

    def _trigger_command(self) -> TargetCommand:
        return TargetCommand(
            "trigger",
            f"Start a run of the deployed flow {self.location}.",
            options=[self.name_option, *RUN_ID_OPTIONS, *self.connection_options],
            has_parameters=True,
        )

    def _list_command(self) -> TargetCommand:
        chosen = (
            Option(status.option_name, f"Those that {status.description}.", flag=True) for status in self.statuses
        )
        return TargetCommand(
            "list-runs",
            f"List the runs of the deployed flow {self.location}.",
            options=[self.name_option, *chosen, *self.connection_options, OUTPUT],
        )

    def _status_command(self) -> TargetCommand:
        return TargetCommand(
            "status",
            "Show the deployed flow and its latest runs, or one run.",
            arguments=[Argument("RUN", self.status_help, required=False)],
            options=[self.name_option, *self.connection_options, OUTPUT],
        )

    def _terminate_command(self) -> TargetCommand:
        return TargetCommand(
            "terminate",
            f"Stop a run {self.location}.",
            arguments=[Argument("RUN", self.run_help)],
            options=[self.name_option, AUTHORIZE, *self.connection_options, *self.token_options],
        )

    def _delete_command(self) -> TargetCommand:
        return TargetCommand(
            "delete",
            f"Delete the deployed flow from {self.service}; artifacts stay.",
            arguments=[self.delete_argument] if self.delete_argument else [],
            options=[
                self.name_option,
                AUTHORIZE,
                *self.delete_options,
                *self.connection_options,
                *self.token_options,
            ],
        )
