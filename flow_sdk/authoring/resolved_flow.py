"""What a flow declares once its configs are known: deferred values replaced, mutators called.

A flow that uses neither is never resolved: see ``uses_no_dynamic_features`` in :mod:`flow_sdk.authoring.flow`.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.deferred import DeferredDecorator, holds_deferred, resolve_deferred
from flow_sdk.authoring.user_decorators import AppliedDecorator, StepMutator, UserStepDecorator, custom_decorators
from flow_sdk.errors import FlowSDKError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from flow_sdk.authoring.decorator import Decorator
    from flow_sdk.authoring.flow import FlowSpec
    from flow_sdk.authoring.parameters import Parameter

    ReadConfigs = Callable[[], dict[str, Any]]
    """Gives the value of each of a flow's configs by name, as JSON data."""

__all__ = ["ResolvedFlow", "ResolvedStep", "provide_configs", "resolve_declarations"]


class ResolvedStep:
    """One step's decorators.

    Parameters
    ----------
    name : str
        The step.
    decorators : list of Decorator
        The built-in ones, the lowest in the source first.
    wrappers : list of AppliedDecorator
        The custom ones that run round the step, the innermost first.
    mutators : list of AppliedDecorator
        Those that change it.
    """

    __slots__ = ("decorators", "mutators", "name", "wrappers")

    def __init__(
        self, name: str, decorators: list[Decorator], wrappers: list[AppliedDecorator], mutators: list[AppliedDecorator]
    ) -> None:
        self.name = name
        self.decorators = decorators
        self.wrappers = wrappers
        self.mutators = mutators

    def add_custom(self, applied: AppliedDecorator) -> None:
        """Add a custom decorator, which may be of both kinds."""
        if issubclass(applied.kind, UserStepDecorator):
            self.wrappers.append(applied)
        if issubclass(applied.kind, StepMutator):
            self.mutators.append(applied)

    def copy_lists(self) -> ResolvedStep:
        """Return the same with lists of its own."""
        return ResolvedStep(self.name, list(self.decorators), list(self.wrappers), list(self.mutators))


class ResolvedFlow:
    """A flow's declarations, known in full.

    Parameters
    ----------
    flow : type
        The flow's class.
    values : dict
        Its configs' values by name, as JSON data.
    """

    def __init__(self, flow: type[FlowSpec], values: dict[str, Any]) -> None:
        from flow_sdk.authoring.configs import ConfigValue, flow_configs
        from flow_sdk.authoring.declared_decorators import declared_flow_decorators, step_decorators
        from flow_sdk.authoring.flow import step_functions
        from flow_sdk.authoring.parameters import declared_parameters

        self.flow = flow
        self.values = values
        plain = {declared.name for declared in flow_configs(flow) if declared.plain}
        self.configs: dict[str, Any] = {
            name: value if name in plain or not isinstance(value, dict) else ConfigValue(value)
            for name, value in values.items()
        }
        self.decorators: dict[str, Decorator] = {
            found.name: self.resolve_decorator(found) for found in declared_flow_decorators(flow)
        }
        self.parameters: dict[str, Parameter[Any]] = declared_parameters(flow)
        self.inactive: list[tuple[str, str]] = []  # decorators without effect that mutators add, with their steps
        self.steps: dict[str, ResolvedStep] = {}
        for name, function in step_functions(flow).items():
            step = ResolvedStep(name, [self.resolve_decorator(found) for found in step_decorators(function)], [], [])
            for applied in custom_decorators(function):
                step.add_custom(self.resolve_arguments(applied))
            self.steps[name] = step
        self.mutators = [
            self.resolve_arguments(applied) for klass in reversed(flow.__mro__) for applied in custom_decorators(klass)
        ]

    def resolve_decorator(self, decorator: Any) -> Any:
        """A decorator with its attributes known."""
        return decorator.resolve_attributes(self.configs) if isinstance(decorator, DeferredDecorator) else decorator

    def resolve_arguments(self, applied: AppliedDecorator) -> AppliedDecorator:
        """A custom decorator with its arguments known."""
        if not holds_deferred((applied.args, applied.kwargs)):
            return applied
        found = AppliedDecorator(
            applied.kind, resolve_deferred(applied.args, self.configs), resolve_deferred(applied.kwargs, self.configs)
        )
        found.where = applied.where
        return found

    @classmethod
    def as_declared(cls, flow: type[FlowSpec]) -> ResolvedFlow:
        """Return what a flow declares, for its help alone: configs unknown, mutators not called."""
        from flow_sdk.authoring.parameters import declared_parameters

        made: ResolvedFlow = object.__new__(cls)
        made.flow, made.parameters = flow, declared_parameters(flow)
        return made

    def copy_steps(self) -> ResolvedFlow:
        """Return the same with steps of its own."""
        made: ResolvedFlow = object.__new__(ResolvedFlow)
        made.__dict__.update(self.__dict__)
        made.steps = {name: step.copy_lists() for name, step in self.steps.items()}
        return made

    def call_mutators(self, phase: str) -> None:
        """Call the mutators: the flow's first, then each step's. Those they add are called, too.

        Parameters
        ----------
        phase : {"pre_mutate", "mutate"}
            Their method.
        """
        from flow_sdk.authoring.mutable import MutableFlow

        for applied in self.mutators:
            _call_mutator(applied, phase, MutableFlow(self, phase, applied.kind), self.flow.__name__)
        for step in self.steps.values():
            for applied in step.mutators:
                flow = MutableFlow(self, phase, applied.kind)
                _call_mutator(applied, phase, flow.step(step.name), f"step {step.name!r}")

    def with_extra(self, extra: Iterable[Any]) -> ResolvedFlow:
        """Add the decorators of ``--with`` to each step that lacks them, and let the mutators see them.

        Parameters
        ----------
        extra : iterable of Decorator or AppliedDecorator
            The decorators; of two with one name the first counts.

        Returns
        -------
        ResolvedFlow
            A copy; this one stays.
        """
        made = self.copy_steps()
        for step in made.steps.values():
            for decorator in extra:
                own = step.wrappers + step.mutators
                if isinstance(decorator, AppliedDecorator):
                    if all(known.kind is not decorator.kind for known in own):
                        step.add_custom(self.resolve_arguments(decorator))
                elif all(known.name != decorator.name for known in step.decorators):
                    step.decorators.append(decorator)
            for applied in [applied for applied in step.mutators if applied not in self.steps[step.name].mutators]:
                from flow_sdk.authoring.mutable import MutableFlow

                flow = MutableFlow(made, "pre_mutate", applied.kind)
                _call_mutator(applied, "pre_mutate", flow.step(step.name), f"step {step.name!r}")
        made.call_mutators("mutate")
        return made


def _call_mutator(applied: AppliedDecorator, phase: str, target: Any, description: str) -> None:
    """Call a mutator, turning whatever it raises into an error that has its location."""
    try:
        getattr(applied.create_decorator(), phase)(target)
    except FlowSDKError as error:
        error.where = error.where or applied.where
        raise
    except Exception as error:
        raise UsageError(
            f"The mutator {applied.kind.__name__} of {description} failed in {phase}.",
            seen=f"{type(error).__name__}: {error}",
            where=_raised_at(error) or applied.where,
        ) from error


def _raised_at(error: BaseException) -> str | None:
    """The innermost line outside of this package that an exception came through."""
    location, traceback = None, error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("__name__", "").partition(".")[0] != "flow_sdk":
            location = f"{frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return location


def provide_configs(flow: type[FlowSpec], read: ReadConfigs, *, replace: bool = True) -> None:
    """Set the function that reads the values of a flow's configs.

    Parameters
    ----------
    flow : type
        The flow's class.
    read : callable
        Called at most once, when a value is first needed.
    replace : bool
        Whether what was resolved before is forgotten; otherwise it stays as it is.
    """
    if not replace and vars(flow).get("__flow_resolved__") is not None:
        return
    flow.__flow_configs__ = read  # type: ignore[attr-defined]
    flow.__flow_resolved__ = None  # type: ignore[attr-defined]


def resolve_declarations(flow: type[FlowSpec]) -> ResolvedFlow:
    """Return what a flow declares, its ``pre_mutate`` mutators called.

    Raises
    ------
    UsageError
        If a config's value can't be had or used.
    """
    found: ResolvedFlow | None = vars(flow).get("__flow_resolved__")
    if found is None:
        found = ResolvedFlow(flow, _read_config_values(flow))
        found.call_mutators("pre_mutate")
        flow.__flow_resolved__ = found  # type: ignore[attr-defined]
    return found


def _read_config_values(flow: type[FlowSpec]) -> dict[str, Any]:
    from flow_sdk.authoring.configs import flow_configs

    read = vars(flow).get("__flow_configs__")
    if read is not None:
        return read()  # type: ignore[no-any-return]
    declared = flow_configs(flow)
    if declared:
        raise UsageError(
            f"The configs of {flow.__name__} haven't been read.",
            seen=", ".join(found.name for found in declared),
            where=declared[0].where,
            help="Run the flow file, or call flow_sdk.plan.configs.read_configs first.",
        )
    return {}
