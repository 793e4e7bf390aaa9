"""The flow plan: what every target runs or translates, as plain immutable data.

A plan holds names, numbers and text only: no code, no paths of a machine, no times. Its canonical
JSON is byte-identical for the same flow on every Python version, and its hash names it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flow_sdk.graph.model import Scope
from flow_sdk.ids import FOREACH, LOOP, Position, parse_position, position_of, position_text, task_id
from flow_sdk.plan.policies import (
    CatchPolicy,
    EnvironmentPolicy,
    ResourcesPolicy,
    RetryPolicy,
    SecretsPolicy,
    TimeoutPolicy,
)

if TYPE_CHECKING:
    from flow_sdk.plan.target_policies import AirflowDagPolicy, BatchPolicy, ProjectPolicy, SchedulePolicy
    from flow_sdk.plan.tree import FlowTree

__all__ = ["FORMAT", "ConfigPlan", "FlowPlan", "LoopPlan", "ParameterPlan", "Scope", "StepKind", "StepPlan"]

FORMAT = 2
"""The plan format this release writes. It reads this one and all older ones.

Format 2 differs from 1 in the ids of the tasks: they begin with the number of the step.
"""

JSON = Any

StepKind = Literal["linear", "split", "foreach", "switch", "end"]
"""How a step ends: with a transition of this kind, or with the flow."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step.

    Parameters
    ----------
    name : str
        The step's name.
    kind : {"linear", "split", "foreach", "switch", "end"}
        Its transition: to one target, several at once, one target for each item, one of several
        cases, or nothing.
    is_join : bool
        Whether it takes ``inputs``.
    next : tuple of str
        Its targets, in the order of the source; for a switch the distinct targets in case order.
    foreach : str or None
        The artifact a foreach goes over.
    condition : str or None
        The artifact a switch reads.
    cases : tuple of (str, bool, int or float, str)
        A switch's cases as (value, target) pairs in source order.
    scopes : tuple of Scope
        The levels around the step, outermost first.
    parents : tuple of str
        The steps with an edge to this one, in source order; for a join in the order of the branches.
    back : tuple of str
        Those of ``next`` that lead back to a loop's entry.
    joins : str or None
        For a join, the step whose split it closes.
    decorators : tuple of (str, mapping)
        The step decorators in effect, as (name, attributes), in a fixed order.
    doc : str
        The step's docstring, dedented.
    line : int
        Line of the step's ``def`` in its source file (1-based).
    wrappers : tuple of (str, mapping)
        The user's own decorators that run round the step, as (name, attributes), the outermost first. The name has
        its module before it, unless that is the flow's own.
    number : int or None
        The step's number in the plan's order, from 0, with which the ids of its tasks begin; None in a plan of format
        1, whose task ids have no such number. It isn't stored, as the order of the steps gives it.
    """

    name: str
    kind: StepKind
    is_join: bool = False
    next: tuple[str, ...] = ()
    foreach: str | None = None
    condition: str | None = None
    cases: tuple[tuple[JSON, str], ...] = ()
    scopes: tuple[Scope, ...] = ()
    parents: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    joins: str | None = None
    decorators: tuple[tuple[str, dict[str, JSON]], ...] = ()
    doc: str = ""
    line: int = 0
    wrappers: tuple[tuple[str, dict[str, JSON]], ...] = ()
    number: int | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """``FOREACH`` or ``LOOP`` for each scope that adds a number to the position."""
        return tuple(scope.kind for scope in self.scopes if scope.kind in (FOREACH, LOOP))

    @property
    def foreach_steps(self) -> tuple[str, ...]:
        """The foreach steps whose items the step runs for, outermost first."""
        return tuple(scope.step for scope in self.scopes if scope.kind == FOREACH)

    @property
    def loop_entries(self) -> tuple[str, ...]:
        """The entries of the loops that the step lies in, outermost first."""
        return tuple(scope.step for scope in self.scopes if scope.kind == LOOP)

    def branch_of(self, split: str) -> str | None:
        """Return the branch of a static split that the step lies in, by its first step; None outside of the split."""
        return next((scope.branch for scope in self.scopes if scope.kind == "split" and scope.step == split), None)

    def task_id(self, position: Position) -> str:
        """Render a position of this step as a task id."""
        return task_id(self.kinds, position, self.number)

    def position(self, text: str) -> Position:
        """Read a task id of this step back into its position."""
        return position_of(self.kinds, text, self.number)

    def position_text(self, position: Position) -> str:
        """Render a position of this step as text: the same for all steps in the same scopes, and in every plan."""
        return position_text(self.kinds, position)

    def parse_position(self, text: str) -> Position:
        """Read the text of a position of this step back."""
        return parse_position(self.kinds, text)

    def decorator(self, name: str) -> dict[str, JSON] | None:
        """Return the stored attributes of a step decorator by its name, or None when the step lacks it.

        For decorators of other packages. Those of this release are properties: ``retry``, ``timeout`` and so on.
        """
        return dict(self.decorators).get(name)

    @property
    def retry(self) -> RetryPolicy:
        """``@retry``; without it no retries."""
        return RetryPolicy.from_attributes(self.decorator("retry") or {})

    @property
    def timeout(self) -> TimeoutPolicy:
        """``@timeout``; without it no limit."""
        return TimeoutPolicy.from_attributes(self.decorator("timeout") or {})

    @property
    def catch(self) -> CatchPolicy | None:
        """``@catch``, or None."""
        return CatchPolicy.from_optional(self.decorator("catch"))

    @property
    def environment(self) -> EnvironmentPolicy:
        """``@environment``; without it no variables."""
        return EnvironmentPolicy.from_attributes(self.decorator("environment") or {})

    @property
    def secrets(self) -> SecretsPolicy | None:
        """``@secrets``, or None."""
        return SecretsPolicy.from_optional(self.decorator("secrets"))

    @property
    def resources(self) -> ResourcesPolicy | None:
        """``@resources``, or None."""
        return ResourcesPolicy.from_optional(self.decorator("resources"))

    @property
    def batch(self) -> "BatchPolicy | None":
        """``@batch``, or None: the step runs where its flow does."""
        attributes = self.decorator("batch")
        if attributes is None:
            return None
        from flow_sdk.plan.target_policies import BatchPolicy

        return BatchPolicy.from_attributes(attributes)

    @property
    def airflow_task(self) -> dict[str, JSON]:
        """The arguments of ``@airflow_task`` for the step's operator; empty without it."""
        return self.decorator("airflow_task") or {}

    @property
    def max_extra_attempts(self) -> int:
        """How many attempts may follow a task's first one (>= 0).

        These are the retries, and for a step with ``@catch`` one more, which stores the failure if the process that
        should have done so was killed.
        """
        return self.retry.times + (1 if self.catch is not None else 0)


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """A loop through a switch.

    Parameters
    ----------
    entry : str
        The one step through which the loop is entered, and to which its back edges lead.
    body : tuple of str
        All steps of the loop, entry included, in plan order.
    """

    entry: str
    body: tuple[str, ...]


Loop = LoopPlan
"""The name that the provider of earlier releases imports."""


@dataclass(frozen=True, slots=True)
class ParameterPlan:
    """One parameter of the flow.

    Parameters
    ----------
    name : str
        Its name as the user wrote it (an option ``--name``; the artifact has ``-`` as ``_``).
    type : {"str", "int", "float", "bool", "json", "file"}
        The value's type.
    default : JSON value
        The default as data (deploy-time functions already called); meaningless when ``required``.
    required : bool
        Whether a value must be given.
    help : str
        What it is for.
    separator : str or None
        Where set, the text is split at it into a list.
    is_text, encoding : bool, str
        For ``file``: how the file is read.
    multiple : bool
        Whether it may be given several times: the value is a tuple.
    flag : bool
        Whether its option takes no value on the command line.
    attribute : str
        The class attribute, where it isn't the name with ``-`` as ``_``.
    """

    name: str
    type: str
    default: JSON = None
    required: bool = False
    help: str = ""
    separator: str | None = None
    is_text: bool = True
    encoding: str = "utf-8"
    attribute: str = ""
    multiple: bool = False
    flag: bool = False

    @property
    def artifact(self) -> str:
        """Name of the artifact that holds the value: the class attribute the parameter was assigned to."""
        return self.attribute or self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ConfigPlan:
    """One config of the flow, with the value that was fixed when the plan was made.

    Parameters
    ----------
    name : str
        Its name as the user wrote it.
    value : JSON value
        The value.
    attribute : str
        The class attribute, where it isn't the name.
    plain : bool
        Whether a step gets the value as it is, and not as a ``ConfigValue``.
    """

    name: str
    value: JSON = None
    attribute: str = ""
    plain: bool = False

    @property
    def artifact(self) -> str:
        """Name of the artifact that holds the value."""
        return self.attribute or self.name


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A whole flow.

    Parameters
    ----------
    flow : str
        The flow's name (its class's name).
    file : str
        The flow file's path relative to the code package's root, with ``/`` (such as ``train.py``).
    doc : str
        The flow's docstring, dedented.
    steps : tuple of StepPlan
        All steps in a topological order that depends on the source alone.
    loops : tuple of Loop
        All loops, an outer one before those inside it.
    parameters : tuple of ParameterPlan
        All parameters in the order of the source.
    constants : tuple of str
        Names of the class constants that are artifacts.
    decorators : tuple of (str, mapping)
        Flow decorators as (name, attributes).
    configs : tuple of ConfigPlan
        All configs in the order of the source, with their values.
    module : str
        Dotted name of the flow file's module where it is executed as ``python -m`` does, or imported; ``""`` where it
        is executed as a script.
    imported : bool
        Whether the module is imported under its name, as one is whose flow was started by code outside of the package.
    paths : tuple of str
        Folders that ``sys.path`` begins with, relative to the code package's root, with ``/`` (``.`` is the root
        itself); empty where it is only the folder of the script, or that of the top-level module.
    """

    flow: str
    file: str
    doc: str
    steps: tuple[StepPlan, ...]
    loops: tuple[LoopPlan, ...] = ()
    parameters: tuple[ParameterPlan, ...] = ()
    constants: tuple[str, ...] = ()
    decorators: tuple[tuple[str, dict[str, JSON]], ...] = ()
    configs: tuple[ConfigPlan, ...] = ()
    module: str = ""
    imported: bool = False
    paths: tuple[str, ...] = ()
    _tree: "FlowTree | None" = field(default=None, init=False, repr=False, compare=False)

    def __getitem__(self, name: str) -> StepPlan:
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def format(self) -> int:
        """The format in which the plan is stored: the one it was read in, or this release's."""
        return FORMAT if all(step.number is not None for step in self.steps) else 1

    @property
    def start(self) -> StepPlan:
        """The first step: the one that no forward edge leads to."""
        return self.steps[0]

    @property
    def end(self) -> StepPlan:
        """The last step: the one that leads nowhere."""
        return next(step for step in self.steps if step.kind == "end")

    @property
    def end_task(self) -> str:
        """The id of the last step's task, of which there is one."""
        return self.end.task_id(())

    @property
    def tree(self) -> "FlowTree":
        """The nesting of the flow's steps, derived on first use; see :mod:`flow_sdk.plan.tree`.

        Raises
        ------
        PlanError
            If the scopes of the steps don't fit their edges.
        """
        if self._tree is None:
            from flow_sdk.plan.tree_builder import build_tree

            object.__setattr__(self, "_tree", build_tree(self))
        assert self._tree is not None
        return self._tree

    def loop(self, entry: str) -> LoopPlan:
        """Return the loop entered at step ``entry``."""
        for loop in self.loops:
            if loop.entry == entry:
                return loop
        raise KeyError(entry)

    def join_of(self, split: str) -> StepPlan:
        """Return the join of a static split or foreach by the name of its step."""
        for step in self.steps:
            if step.joins == split:
                return step
        raise KeyError(split)

    def decorator(self, name: str) -> dict[str, JSON] | None:
        """Return the stored attributes of a flow decorator by its name, or None when the flow lacks it.

        For decorators of other packages. Those of this release are properties: ``schedule``, ``project``,
        ``airflow_dag``.
        """
        return dict(self.decorators).get(name)

    @property
    def schedule(self) -> "SchedulePolicy | None":
        """``@schedule``, or None."""
        attributes = self.decorator("schedule")
        if attributes is None:
            return None
        from flow_sdk.plan.target_policies import SchedulePolicy

        return SchedulePolicy.from_attributes(attributes)

    @property
    def project(self) -> "ProjectPolicy | None":
        """``@project``, or None."""
        attributes = self.decorator("project")
        if attributes is None:
            return None
        from flow_sdk.plan.target_policies import ProjectPolicy

        return ProjectPolicy.from_attributes(attributes)

    @property
    def airflow_dag(self) -> "AirflowDagPolicy":
        """``@airflow_dag``; without it no arguments."""
        from flow_sdk.plan.target_policies import AirflowDagPolicy

        return AirflowDagPolicy.from_attributes(self.decorator("airflow_dag") or {})
