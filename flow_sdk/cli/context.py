"""What a command works with: its command line, and the flow, project and store that this leads to."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.command_line import CommandLine
from flow_sdk.cli.program import program_text
from flow_sdk.cli.project_context import ProjectContext
from flow_sdk.cli.store_context import StoreContext
from flow_sdk.cli.terminal import print_message

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.authoring.project import ProjectBranch
    from flow_sdk.cli.code_package import FlowCode
    from flow_sdk.cli.parser import Parsed
    from flow_sdk.plan.model import FlowPlan, ParameterPlan
    from flow_sdk.store.package.entry import FlowEntry

__all__ = ["CommandContext"]


class CommandContext:
    """What a command of a flow file works with.

    Parameters
    ----------
    flow_class : type
        The flow.
    name : str
        The command's name, such as ``tag add``.
    parsed : Parsed
        Its command line.
    """

    def __init__(self, flow_class: Any, name: str, parsed: Parsed) -> None:
        self.flow_class = flow_class
        self.line = CommandLine(name, parsed)
        self.store = StoreContext(self.line)
        self.in_notebook = False
        self._projects = ProjectContext(flow_class, self.line)
        self._entry: FlowEntry | None = None
        self._code: FlowCode | None = None
        if uses_no_dynamic_features():
            self._projects.choose_branch()  # refuses contradictions; with configs, when it is first needed

    def __getitem__(self, option: str) -> Any:
        """Return the value of an option."""
        return self.line[option]

    def log(self, text: str) -> None:
        """Print a message that isn't the result: on stderr, unless ``--quiet`` is given."""
        self.line.log(text)

    @property
    def flow(self) -> str:
        """The flow's name."""
        return str(self.flow_class.__name__)

    @property
    def project(self) -> ProjectBranch | None:
        """The flow's project and branch; None without ``@project``."""
        return self._projects.find_project()

    @property
    def program(self) -> str:
        """How to call the flow file again with the same store, to be pasted into a shell."""
        words = [program_text()]
        for name in ("datastore", "datastore-root"):
            if name in self.line.given:
                import shlex

                words.append(f"--{name} {shlex.quote(self[name])}")
        return " ".join(words)

    @property
    def entry(self) -> FlowEntry:
        """The flow file and how it is executed."""
        from flow_sdk.store.package.entry import find_entry

        if self._entry is None:
            self._entry = find_entry(self.flow_class)
        return self._entry

    @property
    def code(self) -> FlowCode:
        """The flow's code package."""
        from flow_sdk.cli.code_package import FlowCode

        if self._code is None:
            self._code = FlowCode(self)
        return self._code

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of files that ``--package-suffixes`` adds to the code package."""
        from flow_sdk.config import read_setting

        text = self["package-suffixes"] or read_setting("DEFAULT_PACKAGE_SUFFIXES").value or ""
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def build_package(self, leave_out: tuple[str, ...] = ()) -> bytes:
        """Make the code package for workers, without the files whose paths are given.

        Raises
        ------
        UsageError
            If the flow imports modules that a worker won't have, or the package would be too large.
        """
        return self.code.build_for_workers(leave_out)

    def plan_parameters(self) -> tuple[ParameterPlan, ...]:
        """Return the flow's parameters as data. Calls functions given as their defaults."""
        from flow_sdk import config
        from flow_sdk.authoring.current import current
        from flow_sdk.authoring.parameters import DeployContext
        from flow_sdk.plan.parameters import plan_parameters

        project = self.project
        if project is not None:
            # A default may depend on them: lambda context: not current.is_production
            current._set_task(is_running_flow=False, **project.current_fields(self.flow))
        kind = self.store.address.kind.name
        configs = None
        if not uses_no_dynamic_features():
            from flow_sdk.authoring.configs import ConfigValue
            from flow_sdk.authoring.resolved_flow import resolve_declarations

            configs = ConfigValue(resolve_declarations(self.flow_class).configs)
        context = DeployContext(self.flow, config.user_name(), logger=print_message, ds_type=kind, configs=configs)
        return plan_parameters(self.flow_class, context)

    def extra_decorators(self) -> list[Any]:
        """Return the decorators that every step gets that lacks them: those of ``--with`` before the environment's."""
        from flow_sdk.authoring.decospec import VARIABLES, parse_many, parse_with

        module = self.flow_class.__module__
        extra = [parse_with(text, module) for text in self["with"]]
        texts = (os.environ[name] for name in VARIABLES if os.environ.get(name))
        return extra + parse_many(next(texts, ""), module)

    def compile_plan(self, parameters: tuple[ParameterPlan, ...] = ()) -> FlowPlan:
        """Compile the flow.

        Raises
        ------
        CheckFailed
            With all that is wrong with the flow's source.
        """
        from flow_sdk.plan import compile as compiler
        from flow_sdk.plan.project import with_project

        entry = self.entry
        file, paths = os.path.basename(entry.file), tuple[str, ...]()
        if self.makes_package:
            file, paths = self.code.layout.file, self.code.layout.paths
        plan = compiler.compile_plan(
            self.flow_class,
            file=file,
            parameters=parameters,
            extra=self.extra_decorators(),
            module=entry.module,
            imported=entry.imported,
            paths=paths,
        )
        return with_project(plan, self.project)

    @property
    def makes_package(self) -> bool:
        """Whether the command makes a code package: to deploy the flow, or to store with a run in a remote store."""
        name = self.line.name
        return name.endswith(" create") or (name in ("run", "resume") and self.store.address.is_remote)
