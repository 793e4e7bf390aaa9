"""Flows that the conformance suite of deploy targets deploys."""

from flow_sdk import FlowSpec, Parameter, schedule, secrets, step

__all__ = ["Deployable", "WithRequiredParameter", "WithSecret"]


class Deployable(FlowSpec):
    """A foreach between two steps."""

    alpha = Parameter("alpha", type=int, default=1)

    @step
    def start(self) -> None:
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    @step
    def work(self) -> None:
        self.next(self.end)

    @step
    def end(self, inputs: object) -> None:
        pass


@schedule(daily=True)
class WithRequiredParameter(FlowSpec):
    """A schedule, at which no user is there to give the parameter."""

    alpha = Parameter("alpha", type=int, required=True)

    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


class WithSecret(FlowSpec):
    """A secret in the source, which a definition would show."""

    @secrets(sources=[{"type": "inline", "options": {"env_vars": {"TOKEN": "canary"}}}])
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass
