"""What ``@catch`` puts into its variable."""

__all__ = ["CaughtFailure"]


class CaughtFailure:
    """A step's failure, as ``@catch(var=...)`` keeps it.

    Parameters
    ----------
    type : str
        The exception's class with its module, such as ``builtins.ValueError``.
    exception : str
        Its message.
    stacktrace : str
        The user's traceback as text.
    """

    def __init__(self, type: str, exception: str, stacktrace: str) -> None:
        self.type = type
        self.exception = exception
        self.stacktrace = stacktrace

    def __repr__(self) -> str:
        return f"<CaughtFailure {self.type}: {self.exception}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CaughtFailure) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


# Artifacts name the class by its module: this is where the release before has it, which reads them, too.
CaughtFailure.__module__ = "flow_sdk.spec.failure"
