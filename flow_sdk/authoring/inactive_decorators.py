"""Decorators of Metaflow that this release takes and doesn't act on.

A flow with them runs on a laptop, where a line says that they have no effect, and can't be deployed.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import describe_value
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flow_sdk.authoring.flow import FlowSpec

__all__ = [
    "INACTIVE",
    "IgnoredCards",
    "InactiveDecorator",
    "find_declared_inactive",
    "namespaced_event_name",
    "values_of_inactive_decorators",
]

_UNPACKED = "_flow_unpacked_"
"""How the key begins that ``**config.section`` gives, as :mod:`flow_sdk.authoring.deferred` makes it."""


class InactiveDecorator:
    """A decorator that leaves nothing on a step or flow but its name.

    Parameters
    ----------
    name : str
        What it is called after the ``@``.
    attributes : str or None
        The attributes that it takes, with spaces between them; None for any.
    on_step : bool
        Whether it stands on steps; otherwise on flow classes.
    """

    __slots__ = ("attributes", "name", "on_step")

    def __init__(self, name: str, attributes: str | None = None, *, on_step: bool = True) -> None:
        self.name = name
        self.attributes = None if attributes is None else tuple(attributes.split())
        self.on_step = on_step

    def __call__(self, *targets: Any, **given: Any) -> Any:
        """Stand behind the ``@``: alone, or with attributes."""
        for key in given:
            if self.attributes is not None and key not in self.attributes and not key.startswith(_UNPACKED):
                raise declaration_error(
                    UsageError,
                    f"@{self.name} has no attribute {key!r}.",
                    wanted=", ".join(self.attributes) or "no attributes",
                    help=suggest_name(key, self.attributes),
                )
        if not targets:
            return self._add_to_target
        if len(targets) > 1 or given or not callable(targets[0]):
            raise declaration_error(
                UsageError, f"@{self.name} takes its attributes by name.", seen=repr(targets[0])[:80]
            )
        return self._add_to_target(targets[0])

    def _add_to_target(self, target: Any) -> Any:
        if not callable(target) or isinstance(target, type) is self.on_step or not hasattr(target, "__dict__"):
            wanted = "a step of a flow" if self.on_step else "a flow class"
            raise declaration_error(UsageError, f"@{self.name} stands on {wanted}.", seen=describe_value(target))
        if "__flow_inactive__" not in vars(target):
            target.__flow_inactive__ = []
        target.__flow_inactive__.append(self.name)
        return target

    def __repr__(self) -> str:
        return f"<@{self.name}, without effect in this release>"


def _on_flow(name: str, attributes: str | None = None) -> InactiveDecorator:
    return InactiveDecorator(name, attributes, on_step=False)


card = InactiveDecorator("card", "type options scope rank timeout id save_errors customize refresh_interval")
conda = InactiveDecorator("conda", "packages libraries python disabled")
pypi = InactiveDecorator("pypi", "packages python disabled")
kubernetes = InactiveDecorator(
    "kubernetes",
    "cpu memory disk image image_pull_policy image_pull_secrets service_account secrets node_selector namespace gpu "
    "gpu_vendor tolerations labels annotations use_tmpfs tmpfs_tempdir tmpfs_size tmpfs_path persistent_volume_claims "
    "shared_memory port compute_pool executable hostname_resolution_timeout qos extended_resources security_context",
)
parallel = InactiveDecorator("parallel", "")
pytorch_parallel = InactiveDecorator("pytorch_parallel", "master_port")
conda_base = _on_flow("conda_base", "packages libraries python disabled")
pypi_base = _on_flow("pypi_base", "packages python disabled")
trigger = _on_flow("trigger", "event events options")
trigger_on_finish = _on_flow("trigger_on_finish", "flow flows options")
exit_hook = _on_flow("exit_hook", "on_success on_error options")
airflow_external_task_sensor = _on_flow("airflow_external_task_sensor")
airflow_s3_key_sensor = _on_flow("airflow_s3_key_sensor")

# Those of extensions, which take what the extension says.
checkpoint = InactiveDecorator("checkpoint")
deepspeed = InactiveDecorator("deepspeed")
gpu_profile = InactiveDecorator("gpu_profile")
huggingface_hub = InactiveDecorator("huggingface_hub")
metaflow_ray = InactiveDecorator("metaflow_ray")
modal = InactiveDecorator("modal")
model = InactiveDecorator("model")
mpi = InactiveDecorator("mpi")
nim = InactiveDecorator("nim")
nvct = InactiveDecorator("nvct")
nvidia = InactiveDecorator("nvidia")
ollama = InactiveDecorator("ollama")
slurm = InactiveDecorator("slurm")
tensorflow = InactiveDecorator("tensorflow")
torchrun = InactiveDecorator("torchrun")
vllm = InactiveDecorator("vllm")

INACTIVE: dict[str, InactiveDecorator] = {
    value.name: value for value in list(vars().values()) if isinstance(value, InactiveDecorator)
}
"""All of them by name."""

_TRIGGERS = frozenset({"trigger", "trigger_on_finish"})


def namespaced_event_name(name: str) -> str:
    """Name an event for ``@trigger``, which has no effect in this release."""
    return name


def find_declared_inactive(flow: type[FlowSpec]) -> list[tuple[str, str]]:
    """Return the decorators without effect in the source: their names and those of their steps."""
    from flow_sdk.authoring.flow import step_functions

    found = [(name, "") for klass in flow.__mro__ for name in vars(klass).get("__flow_inactive__", ())]
    for step, function in step_functions(flow).items():
        found += [(name, step) for name in vars(function).get("__flow_inactive__", ())]
    return found


def values_of_inactive_decorators(flow: type[FlowSpec], step: str) -> dict[str, Any]:
    """Return what ``current`` has of a step's and a flow's decorators without effect: functions that give the values.

    ``card`` ignores what a step puts into it; ``trigger`` is None, as in a run that nothing has triggered. Mutators
    aren't called in a task: where there may be some, a step may have what they could have added.
    """
    from flow_sdk.authoring.flow import uses_no_dynamic_features

    names = {name for name, where in find_declared_inactive(flow) if where in ("", step)}
    if not uses_no_dynamic_features():
        names |= {"card", "trigger"}
    values: dict[str, Any] = {}
    if "card" in names:
        values["card"] = IgnoredCards
    if names & _TRIGGERS:
        values["trigger"] = lambda: None
    return values


class IgnoredCards:
    """What ``current.card`` is while ``@card`` has no effect: everything that is put into it is forgotten."""

    __slots__ = ()

    def append(self, component: Any, id: str | None = None) -> None:
        """Ignore a component."""

    def extend(self, components: Any) -> None:
        """Ignore components."""

    def clear(self) -> None:
        """Do nothing: there is no component."""

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: there is no card."""

    def get(self, type: str | None = None) -> list[Any]:
        """Return the cards of a type: none."""
        return []

    @property
    def components(self) -> IgnoredCards:
        """The components by id, which ignore what is put into them, too."""
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Ignore a component's new contents."""

    def __getitem__(self, id: Any) -> IgnoredCards:
        return self

    def __setitem__(self, id: Any, components: Any) -> None:
        pass

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())
