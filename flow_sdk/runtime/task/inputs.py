"""The inputs of a join step, each a read-only view of one parent task's artifacts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flow_sdk.authoring.flow import FlowSpec, TaskState
from flow_sdk.errors import InputsError
from flow_sdk.plan.model import StepPlan
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records.model import ArtifactRef, Manifest
from flow_sdk.text import suggest_name

__all__ = ["InputView", "Inputs", "plan_merge"]


_NOT_STORED = "an input of a join can't be an artifact; store the values you need from it"


class InputView:
    """One input of a join: a finished task as its step saw itself, read-only. What it has is loaded when it is used.

    Artifacts come first, then what the flow class defines: its methods and properties are bound to the input, so that
    they read its artifacts.

    Parameters
    ----------
    manifest : Manifest
        The task.
    fixed : dict of str to ArtifactRef
        Parameters and constants, which every task has.
    artifacts : Artifacts
        Where to load from.
    flow : type
        The flow class.
    find_task : callable
        Returns the task's state in the foreach steps around it. Called when the flow class asks for it.
    """

    def __init__(
        self,
        manifest: Manifest,
        fixed: dict[str, ArtifactRef],
        artifacts: Artifacts,
        flow: type[FlowSpec],
        find_task: Callable[[], TaskState],
    ) -> None:
        self.__dict__["_manifest"] = manifest
        self.__dict__["_refs"] = {**manifest.artifacts, **fixed}
        self.__dict__["_artifacts"] = artifacts
        self.__dict__["_flow_class"] = flow
        self.__dict__["_find_task"] = find_task

    # super() and isinstance() in the flow's methods look at it.
    @property  # type: ignore[misc]
    def __class__(self) -> type[FlowSpec]:  # type: ignore[override]
        flow: type[FlowSpec] = self.__dict__["_flow_class"]
        return flow

    def __getattr__(self, name: str) -> Any:
        if name == "__flow_task__":  # what the properties of FlowSpec read
            task = self.__dict__[name] = self.__dict__["_find_task"]()
            return task
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Python itself asks, perhaps of an object that isn't filled yet
        manifest: Manifest = self.__dict__["_manifest"]
        ref = self.__dict__["_refs"].get(name)
        if ref is None:
            return self._class_attribute(name)
        where = f"{manifest.flow}/{manifest.run}/{manifest.step}/{manifest.task}, artifact {name!r}"
        value = self.__dict__["_artifacts"].load(ref, where=where)
        self.__dict__[name] = value
        return value

    def _class_attribute(self, name: str) -> Any:
        """Return an attribute of the flow class, bound to this input as Python binds it to an object."""
        flow: type[FlowSpec] = self.__dict__["_flow_class"]
        for kind in flow.__mro__:
            if name in vars(kind):
                value = vars(kind)[name]
                bind = getattr(type(value), "__get__", None)
                return value if bind is None else bind(value, self, flow)
        manifest: Manifest = self.__dict__["_manifest"]
        raise AttributeError(
            f"Task {manifest.step}/{manifest.task} has no artifact {name!r}. "
            + suggest_name(name, self.__dict__["_refs"])
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"An input of a join can't be changed (tried to set {name!r}); set it on self")

    def __getstate__(self) -> Any:
        raise TypeError(_NOT_STORED)

    def __repr__(self) -> str:
        manifest: Manifest = self.__dict__["_manifest"]
        return f"<input {manifest.step}/{manifest.task}>"


class Inputs(Sequence[InputView]):
    """All inputs of a join, in the order of the split's items or branches; by step name, too."""

    def __init__(self, views: list[InputView], steps: list[str]) -> None:
        self._views = views
        self._by_step: dict[str, InputView] = {}
        for name, view in zip(steps, views, strict=True):
            self._by_step.setdefault(name, view)
        self.__dict__.update(self._by_step)  # so that a step named "count" isn't hidden by the sequence's method

    def __getitem__(self, index: Any) -> Any:
        return self._views[index]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[InputView]:
        return iter(self._views)

    def __getattr__(self, name: str) -> InputView:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"The join has no input from a step {name!r}. {suggest_name(name, self._by_step)}")

    def __getstate__(self) -> Any:
        raise TypeError(_NOT_STORED)

    def __repr__(self) -> str:
        return f"<{len(self)} inputs: {', '.join(sorted(self._by_step))}>"


def plan_merge(
    step: StepPlan,
    own: Iterable[str],
    manifests: Sequence[Manifest],
    include: Iterable[str] | None,
    exclude: Iterable[str] | None,
    fixed: Iterable[str] = (),
    are_equal: Callable[[str, ArtifactRef, ArtifactRef], bool] = lambda name, one, other: False,
) -> dict[str, ArtifactRef]:
    """Decide what ``merge_artifacts`` merges.

    Parameters
    ----------
    step : StepPlan
        The join step, for messages.
    own : iterable of str
        What the join has set itself.
    manifests : sequence of Manifest
        The inputs.
    include, exclude : iterable of str, optional
        The user's lists.
    fixed : iterable of str
        Parameters and constants, which every task has.
    are_equal : callable
        Returns whether two values of a name whose stored bytes differ are equal all the same.

    Raises
    ------
    InputsError
        On a conflict, both lists at once, or a missing included name; then nothing is to be merged.
    """
    wanted, unwanted, mine = set(include or ()), set(exclude or ()), set(own)
    if wanted and unwanted:
        raise InputsError(
            "merge_artifacts() takes include or exclude, not both.",
            where=f"step {step.name!r}",
            help="Keep one of them.",
        )
    merged: dict[str, ArtifactRef] = {}
    conflicts: set[str] = set()
    for manifest in manifests:
        for name, ref in manifest.artifacts.items():
            if name in mine or name in unwanted or (wanted and name not in wanted):
                continue
            first = merged.setdefault(name, ref)
            if not first.is_same(ref) and name not in conflicts and not are_equal(name, first, ref):
                conflicts.add(name)
    if conflicts:
        names = ", ".join(sorted(conflicts))
        raise InputsError(
            f"merge_artifacts() can't choose: the inputs differ in {names}.",
            where=f"step {step.name!r}",
            help="Set each of them on self before the call, or leave them out with exclude=[...].",
        )
    missing = wanted.difference(merged, mine, fixed)
    if missing:
        raise InputsError(
            f"merge_artifacts(include=...) names what no input has: {', '.join(sorted(missing))}.",
            where=f"step {step.name!r}",
            help=suggest_name(min(missing), {name for m in manifests for name in m.artifacts}),
        )
    return merged
