"""The running task behind a flow object: lazy artifacts, foreach items, merging, and what is stored in the end."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import InputsError, SerializationError
from flow_sdk.ids import FOREACH, Position
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.positions import known_numbers
from flow_sdk.runtime.task.inputs import Inputs, InputView, plan_merge
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records.model import ArtifactRef, Manifest, RunRecord
from flow_sdk.text import suggest_name

__all__ = ["LiveTask"]

_IMMUTABLE = frozenset({int, float, bool, str, bytes, type(None), complex})
"""Types, and no subclasses of them, whose values can't be changed in place."""


class LiveTask:
    """State of one attempt while the user's function runs.

    Parameters
    ----------
    view : RunView
        The run.
    record : RunRecord
        What the run started with.
    step : StepPlan
        The step.
    position : tuple of int
        Which of its tasks.
    parents : list of Manifest
        As :func:`flow_sdk.runtime.task.parents.find_parents` gives them.
    """

    def __init__(
        self,
        view: RunView,
        record: RunRecord,
        step: StepPlan,
        position: Position,
        parents: list[Manifest],
    ) -> None:
        self.view = view
        self.record = record
        self.step = step
        self.position = position
        self.parents = parents
        self.artifacts = Artifacts(view.store)
        self.pathspec = f"{view.flow}/{view.run}/{step.name}/{step.task_id(position)}"
        self.inherited: dict[str, ArtifactRef] = {}
        self._openers: dict[str, Manifest] = {parent.step: parent for parent in parents if parent.items}
        self._items: dict[str, Any] = {}
        self._fixed: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}

    # what FlowSpec asks for

    def _foreach_levels(self) -> list[tuple[str, int]]:
        numbers = known_numbers(self.step, self.position)
        return [(name, n) for (kind, name), n in numbers.items() if kind == FOREACH]

    def _find_opener(self, name: str) -> Manifest:
        if name not in self._openers or self.step.joins == name:
            self._openers[name] = self.view.read_opener(self.step, self.position, name)
        return self._openers[name]

    def _load_item(self, name: str, index: int) -> Any:
        if name not in self._items:
            items = self._find_opener(name).items
            if items is None:
                raise InputsError(f"Step {name!r} left no items.", where=self.pathspec)
            self._items[name] = self.artifacts.load_item(
                items, index, where=f"{self.pathspec}, item {index} of {name!r}"
            )
        return self._items[name]

    @property
    def index(self) -> int | None:
        levels = self._foreach_levels()
        return levels[-1][1] if levels else None

    @property
    def input(self) -> Any:
        levels = self._foreach_levels()
        return self._load_item(*levels[-1]) if levels else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        stack = []
        for name, index in self._foreach_levels():
            items = self._find_opener(name).items
            stack.append((index, items.count if items else 0, self._load_item(name, index)))
        return stack

    def load_artifact(self, name: str) -> Any:
        if name in self.record.artifacts:
            if name not in self._fixed:
                where = f"{self.view.flow}/{self.view.run}, parameter {name!r}"
                self._fixed[name] = self.artifacts.load(self.record.artifacts[name], where=where)
            return self._fixed[name]
        ref = self.inherited.get(name)
        if ref is None:
            raise AttributeError(self._not_there(name))
        value = self.artifacts.load(ref, where=f"{self.pathspec}, artifact {name!r}")
        self._loaded[name] = value
        self.flow.__dict__[name] = value
        return value

    def known_names(self) -> set[str]:
        """Return the names of all artifacts that the step can read now."""
        own = {name for name in self.flow.__dict__ if not name.startswith("__")}
        return {*self.inherited, *self.record.artifacts, *own}

    def _not_there(self, name: str) -> str:
        """Return the message for an artifact that the step doesn't have."""
        headline = f"Step {self.step.name!r} has no artifact {name!r}."
        source = next((parent for parent in self.parents if name in parent.artifacts), None)
        if self.step.joins is None or source is None:
            return f"{headline} {suggest_name(name, self.known_names())}".strip()
        return (
            f"{headline} A join inherits parameters, constants and configs only; its input {source.step}/{source.task} "
            f"has {name!r}. Choose a value, such as self.{name} = inputs[0].{name}, or merge what all inputs agree "
            "on: self.merge_artifacts(inputs)."
        )

    def merge_artifacts(
        self, flow: FlowSpec, inputs: Sequence[Any], include: Iterable[str] | None, exclude: Iterable[str] | None
    ) -> None:
        if self.step.joins is None:
            raise InputsError(
                "merge_artifacts() works in a join step only.",
                where=f"step {self.step.name!r}",
                help="A step without 'inputs' has all artifacts of its parent already.",
            )
        views = [view for view in inputs if isinstance(view, InputView)]
        manifests = [view.__dict__["_manifest"] for view in views]
        own = [name for name in vars(flow) if not name.startswith("__")]
        merged = plan_merge(self.step, own, manifests, include, exclude, self.record.artifacts, self._are_equal)
        self.inherited.update(merged)
        self._load_hidden(flow)

    def _are_equal(self, name: str, one: ArtifactRef, other: ArtifactRef) -> bool:
        return self.artifacts.are_equal(one, other, where=f"{self.pathspec}, artifact {name!r} of its inputs")

    def delete_artifact(self, name: str) -> bool:
        return self.inherited.pop(name, None) is not None

    # what the runner asks for

    def attach_flow(self, flow: FlowSpec) -> None:
        """Make ``flow`` the object of this task, with what the step begins with."""
        self.flow = flow
        self.inherited = dict(self.parents[0].artifacts) if self.parents and self.step.joins is None else {}
        self._loaded.clear()
        flow.__dict__["__flow_task__"] = self
        flow.__dict__["__flow_fixed__"] = frozenset(self.record.artifacts)
        # This process has executed the flow file again, perhaps with another outcome: the run's constants count.
        for name in self.view.plan.constants:
            if name in self.record.artifacts:
                flow.__dict__[name] = self.load_artifact(name)
        self._load_hidden(flow)

    def _load_hidden(self, flow: FlowSpec) -> None:
        """Load the artifacts that Python wouldn't ask for: the class has an attribute of the same name."""
        kind = type(flow)
        for name in self.inherited:
            if hasattr(kind, name) and name not in flow.__dict__ and name not in self.record.artifacts:
                self.load_artifact(name)

    def inputs(self) -> Inputs:
        """The join's inputs."""
        openers: dict[str, Manifest] = {}
        views = [
            InputView(
                parent,
                self.record.artifacts,
                self.artifacts,
                type(self.flow),
                functools.partial(self._input_task, parent, openers),
            )
            for parent in self.parents
        ]
        return Inputs(views, [parent.step for parent in self.parents])

    def _input_task(self, parent: Manifest, openers: dict[str, Manifest]) -> "LiveTask":
        """Return the state of an input's task. The inputs of a join share all foreach steps, and their items."""
        step = self.view.plan[parent.step]
        task = LiveTask(self.view, self.record, step, step.position(parent.task), [])
        task._openers = openers
        return task

    def save_artifacts(
        self, refuse: Callable[[str, SerializationError], None] | None = None
    ) -> tuple[dict[str, ArtifactRef], tuple[str, ...]]:
        """Store what the step set or changed.

        Parameters
        ----------
        refuse : callable, optional
            Is given the name of each artifact that can't be stored, and why; the others are stored all the same.

        Returns
        -------
        (dict of str to ArtifactRef, tuple of str)
            All artifacts after the step, and the names of those it set or changed.

        Raises
        ------
        SerializationError
            If values can't be stored, or are the flow or an input itself, and ``refuse`` isn't given; it names all.
        """
        refs = dict(self.inherited)
        refused: dict[str, SerializationError] = {}
        own: list[str] = []
        for name, value in sorted(vars(self.flow).items()):
            if (name.startswith("__") and name.endswith("__")) or name in self.record.artifacts:
                continue
            try:
                ref = self._save_artifact(name, value)
            except SerializationError as error:
                refused[name] = error
                if refuse is not None:
                    refuse(name, error)
                refs.pop(name, None)  # what it was before isn't what the step left
                continue
            if name not in refs or not refs[name].is_same(ref):
                own.append(name)
                refs[name] = ref
        if refused and refuse is None:
            raise _storing_error(self.step.name, refused) from next(iter(refused.values())).__cause__
        return refs, tuple(own)

    def _save_artifact(self, name: str, value: Any) -> ArtifactRef:
        """Store an artifact of the step, unless it was inherited and only read."""
        where = f"step {self.step.name!r}, artifact self.{name}"
        if isinstance(value, FlowSpec | Inputs | InputView):
            what = "an input of the join" if isinstance(value, Inputs | InputView) else "the flow itself"
            raise SerializationError(
                f"self.{name} is {what}; that can't be an artifact.",
                seen=what,
                where=where,
                help="Store the values you need from it instead.",
            )
        loaded = self.inherited.get(name) if name in self._loaded and value is self._loaded[name] else None
        if loaded is None:
            return self.artifacts.save(value, where=where)
        if type(value) in _IMMUTABLE:
            return loaded
        return self.artifacts.save_again(value, loaded, where=where)


def _storing_error(step: str, refused: dict[str, SerializationError]) -> SerializationError:
    """Make one error of those of all artifacts that can't be stored, by name."""
    names = [f"self.{name}" for name in refused]
    first, *more = refused.values()
    deletion = f"before the step ends: del {', '.join(names)}"
    if not more:
        return SerializationError(
            f"{names[0]} can't be stored.",
            seen=first.seen,
            wanted=first.wanted,
            where=first.where,
            help=f"{first.help} Or delete it {deletion}",
        )
    return SerializationError(
        f"{', '.join(names[:-1])} and {names[-1]} can't be stored.",
        seen="; ".join(f"self.{name}: {error.seen}" for name, error in refused.items()),
        wanted="values that can be pickled",
        where=f"step {step!r}",
        help="Store them in another form, such as a list, text or a path, keep them in local variables, or delete them "
        + deletion,
    )
