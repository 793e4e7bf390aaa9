"""What a command is called with: the flow, the parsed command line, and what both lead to."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.environment import BRANCHING, NAMES, OF_RUNS, take_environment
from flow_sdk.cli.program import program_text
from flow_sdk.cli.registry import GENERAL
from flow_sdk.cli.terminal import print_note
from flow_sdk.config import DATASTORES, check_profile, expand_home
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from flow_sdk.authoring.project import ProjectBranch
    from flow_sdk.cli.code_package import FlowCode
    from flow_sdk.cli.parser import Parsed
    from flow_sdk.plan.model import FlowPlan, ParameterPlan
    from flow_sdk.store.address import StoreAddress
    from flow_sdk.store.package.entry import FlowEntry

__all__ = ["Call", "store_root"]

INACTIVE_ENVIRONMENTS = ("conda", "fast-bakery", "pypi", "uv")
"""Values of ``--environment`` that are known from Metaflow and have no effect in this release."""


class Call:
    """One call of a command.

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
        self.name = name
        self.words = parsed.words
        self.values = parsed.values
        self.parameters = parsed.parameters
        self.given = parsed.given
        self.in_notebook = False
        self._parsed = parsed
        self._entry: FlowEntry | None = None
        self._code: FlowCode | None = None
        self._sources: dict[str, str] = {}
        check_profile()
        self._sources.update(self._take_environment(NAMES))
        if name in ("run", "resume"):
            self._sources.update(self._take_environment_of_runs())
        _check_general(parsed.values, self._sources)
        if uses_no_dynamic_features():
            self._branch()  # refuses what contradicts itself; where configs play a part, when it is first asked for

    def _take_environment(self, names: Iterable[str]) -> dict[str, str]:
        """Add the options that the environment gives; returns the variable of each."""
        return take_environment(self._parsed, GENERAL, names)

    def _take_environment_of_runs(self) -> dict[str, str]:
        """Add the options of runs that the environment gives. No parameter is called like one of them."""
        from flow_sdk.cli.run_options import RUN_OPTIONS

        return take_environment(self._parsed, (*GENERAL, *RUN_OPTIONS), OF_RUNS, self.name)

    def __getitem__(self, option: str) -> Any:
        """The value of an option."""
        return self.values[option]

    @property
    def flow(self) -> str:
        """The flow's name."""
        return str(self.flow_class.__name__)

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
    def project(self) -> ProjectBranch | None:
        """The flow's project and branch; None without ``@project``."""
        branch, production = self._branch()
        declared = _declared_project(self.flow_class)
        if declared is None:
            return None
        from flow_sdk import config
        from flow_sdk.authoring.project import ProjectBranch, full_branch

        if declared["name"] is None:
            raise UsageError("@project has no name.", seen="name=None", help="Set the variable that it comes from.")
        user = "" if branch or production else config.user()
        return ProjectBranch(declared["name"], full_branch(branch, production, user))

    def _branch(self) -> tuple[str | None, bool]:
        """What ``@project`` and the command line say of the branch; refuses what contradicts itself."""
        given = self._parsed.given
        declared = _declared_project(self.flow_class)
        if declared is None and not given.intersection(BRANCHING):
            return None, False
        if declared is not None:
            self._sources.update(self._take_environment(BRANCHING))
        from flow_sdk.authoring.project import choose_branch

        branch, production = (self.values[name] if name in given else None for name in BRANCHING)
        return choose_branch(declared, branch, production, self._sources)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of files that ``--package-suffixes`` adds to the code package."""
        from flow_sdk.config import read_setting

        text = self.values["package-suffixes"] or read_setting("DEFAULT_PACKAGE_SUFFIXES").value or ""
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def package(self, leave_out: tuple[str, ...] = ()) -> bytes:
        """Make the code package for workers, without the files whose paths are given.

        Raises
        ------
        UsageError
            If the flow imports modules that a worker won't have, or the package would be too large.
        """
        return self.code.build_for_workers(leave_out)

    @property
    def inactive_environment(self) -> str | None:
        """The option or variable with its value, such as ``--environment=conda``, where it has no effect."""
        value = self.values["environment"]
        return f"{self._sources.get('environment', '--environment')}={value}" if value not in (None, "local") else None

    @property
    def root(self) -> str:
        """The store's address, in its one form: from the options, else from the settings."""
        root = store_root(self.values["datastore"] or self.values["metadata"], self.values["datastore-root"])
        if "://" not in root:
            return root
        from flow_sdk.store.address import StoreAddress

        address = StoreAddress.parse(root)
        return address.url if address.is_remote else root

    @property
    def address(self) -> StoreAddress:
        """The store's address in its parts."""
        from flow_sdk.store.address import StoreAddress

        return StoreAddress.parse(self.root)

    @property
    def again(self) -> str:
        """How to call the flow file again with the same store, to be pasted into a shell."""
        words = [program_text()]
        for name in ("datastore", "datastore-root"):
            if name in self.given:
                import shlex

                words.append(f"--{name} {shlex.quote(self.values[name])}")
        return " ".join(words)

    def results(self) -> str:
        """Address of the store, known to be there: reading results makes no store.

        Raises
        ------
        StoreUnavailable
            If there is none.
        """
        from flow_sdk.store.open_store import open_store

        open_store(self.root, create=False)
        return self.root

    def pathspec(self, optional: str = "") -> str:
        """The one argument that names a run, step or task, without the flow's name.

        ``optional`` is a word that may stand before it, for those who are used to it.
        """
        words = [word for word in self.words if word != optional]
        if len(words) != 1:
            seen = " ".join(self.words)
            raise UsageError(f"{self.name} needs one run, step or task.", seen=seen, wanted="run[/step[/task]]")
        path = words[0].removeprefix(f"{self.flow}/")
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

    def parameter_plans(self) -> tuple[ParameterPlan, ...]:
        """The flow's parameters as data. Calls functions given as their defaults."""
        from flow_sdk import config
        from flow_sdk.authoring.current import current
        from flow_sdk.authoring.parameters import DeployContext
        from flow_sdk.plan.parameters import plan_parameters

        project = self.project
        if project is not None:
            # A default may depend on them: lambda context: not current.is_production
            current._set_task(is_running_flow=False, **project.current_fields(self.flow))
        kind = self.address.kind.name
        configs = None
        if not uses_no_dynamic_features():
            from flow_sdk.authoring.configs import ConfigValue
            from flow_sdk.authoring.resolved_flow import resolve_declarations

            configs = ConfigValue(resolve_declarations(self.flow_class).configs)
        context = DeployContext(self.flow, config.user(), logger=print_note, ds_type=kind, configs=configs)
        return plan_parameters(self.flow_class, context)

    def extra_decorators(self) -> list[Any]:
        """The decorators that every step gets that lacks them, those of ``--with`` before the environment's."""
        from flow_sdk.authoring.decospec import VARIABLES, parse_many, parse_with

        module = self.flow_class.__module__
        extra = [parse_with(text, module) for text in self.values["with"]]
        texts = (os.environ[name] for name in VARIABLES if os.environ.get(name))
        return extra + parse_many(next(texts, ""), module)

    def plan(self, parameters: tuple[ParameterPlan, ...] = ()) -> FlowPlan:
        """Compile the flow.

        Raises
        ------
        CheckFailed
            With all that is wrong with the flow's source.
        """
        from flow_sdk.plan.compile import compile_plan
        from flow_sdk.plan.project import with_project

        entry = self.entry
        file, paths = os.path.basename(entry.file), tuple[str, ...]()
        if self.makes_package:
            file, paths = self.code.layout.file, self.code.layout.paths
        plan = compile_plan(
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
        """Whether the command makes a code package: to deploy the flow, or to keep with a run in S3."""
        return self.name.endswith(" create") or (self.name in ("run", "resume") and self.address.is_remote)

    def say(self, text: str) -> None:
        """Tell the user something that isn't a result: on stderr, unless quiet."""
        if not self.values["quiet"]:
            print_note(text)


def store_root(kind: str | None, root: str | None) -> str:
    """Find the address of the store.

    Parameters
    ----------
    kind : {"local", "s3", "gs", "azure"} or None
        What ``--datastore`` says.
    root : str or None
        What ``--datastore-root`` says.

    Raises
    ------
    UsageError
        If the two contradict each other, or the setting of that kind has no address.
    """
    if root is not None:
        scheme = root.partition("://")[0] if "://" in root else "file"
        if not root or (kind is not None and DATASTORES[kind] != scheme):
            wanted = "a folder" if kind in (None, "local") else f"an address such as {DATASTORES[kind]}://bucket/prefix"
            raise UsageError(f"--datastore-root can't be {root!r}.", wanted=wanted)
        return root if "://" in root else os.path.abspath(expand_home(root))
    from flow_sdk.config import datastore_root

    return datastore_root(kind)


def _declared_project(flow_class: Any) -> dict[str, Any] | None:
    """The attributes of the flow's ``@project``, if it has one."""
    from flow_sdk.authoring.declared_decorators import flow_decorators

    return next((d.attributes() for d in flow_decorators(flow_class) if type(d).name == "project"), None)


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
