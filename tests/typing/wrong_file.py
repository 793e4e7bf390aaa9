"""Mistakes that a type checker finds in a flow file; each line with an error says so."""

from flow_sdk import FlowSpec, Parameter, catch, retry, secrets, timeout

Parameter("a", defualt=1)  # error
Parameter("a", default=1, separator=",")  # error


class WrongFlow(FlowSpec):
    """A flow with mistakes."""

    @retry(tims=3)  # error
    def a(self) -> None: ...

    @catch(var=3)  # error
    def b(self) -> None: ...

    @timeout(10)  # error
    def c(self) -> None: ...

    @secrets(sources="aws-secrets-manager.prod/db")  # error
    def d(self) -> None: ...
