"""The one exception tree of Flow SDK.

::

    FlowSDKError                  every error this package raises on purpose
    ├── UsageError                wrong command line, option, parameter or setting (exit code 2)
    │   ├── ParameterError        a parameter is missing, mistyped or unknown
    │   └── ConfigError           a setting or profile can't be used
    ├── CheckFailed               the flow's source has lint errors (carries all diagnostics)
    ├── PlanError                 a plan can't be read
    │   └── PlanVersionError      the plan was written by a newer release
    ├── StoreError                the object store can't be used
    │   ├── ObjectMissing         no object under that key
    │   ├── ObjectExists          a create-only put found an object
    │   ├── StoreUnavailable      no bucket, no credentials, no folder, no answer
    │   └── IntegrityError        stored bytes don't verify
    ├── SerializationError        an artifact can't be stored or loaded
    ├── TaskError                 a task can't continue
    │   ├── TransitionError       what the step did isn't what its source says
    │   ├── InputsError           a join's inputs can't be used or merged
    │   ├── StepTimeout           the step ran longer than its @timeout
    │   └── SecretError           a secret of @secrets can't be used
    ├── RunFailed                 a run ended without success
    ├── DeployError               a deployment was refused or failed
    ├── AwsError                  a service of AWS refused, or didn't answer (carries AWS's code)
    └── ClientError               reading results
        ├── NotFound              no such flow, run, step, task or artifact
        ├── NamespaceMismatch     it exists, in another namespace
        └── PathspecError         wrong number or form of components

Each error has a headline; most also say what was seen, what was wanted, where, and how to fix it.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.text import escape_invisible, mask_password

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = [
    "AwsError",
    "CheckFailed",
    "ClientError",
    "ConfigError",
    "DeployError",
    "FlowSDKError",
    "InputsError",
    "IntegrityError",
    "NamespaceMismatch",
    "NotFound",
    "ObjectExists",
    "ObjectMissing",
    "ParameterError",
    "PathspecError",
    "PlanError",
    "PlanVersionError",
    "RunFailed",
    "SecretError",
    "SerializationError",
    "StepTimeout",
    "StoreError",
    "StoreUnavailable",
    "TaskError",
    "TransitionError",
    "UsageError",
]


class FlowSDKError(Exception):
    """Base of every error that Flow SDK raises on purpose.

    Parameters
    ----------
    headline : str
        One line that says what is wrong.
    seen : str, optional
        What was found.
    wanted : str, optional
        What would have been right.
    where : str, optional
        File and line, step or key of the problem.
    help : str, optional
        What to do about it.

    No password of an address (``http://anne:secret@host``) is shown, whichever of the texts it is in.
    """

    exit_code = 1

    def __init__(
        self,
        headline: object = "",
        *,
        seen: str | None = None,
        wanted: str | None = None,
        where: str | None = None,
        help: str | None = None,
    ) -> None:
        # Names and values of users stand in all of them. This is where every error passes, however it is shown.
        self.headline = _make_printable(str(headline))
        self.seen = seen and _make_printable(seen)
        self.wanted = wanted and _make_printable(wanted)
        self.where = where and _make_printable(where)
        self.help = help and _make_printable(help)
        super().__init__(self.headline)

    @property
    def message(self) -> str:
        """The headline."""
        return self.headline

    def __str__(self) -> str:
        lines = [self.headline]
        for label, text in (("seen", self.seen), ("wanted", self.wanted), ("where", self.where), ("help", self.help)):
            if text:
                lines.append(f"  {label + ':':<8}{text}")
        return escape_invisible("\n".join(lines))

    def as_data(self) -> dict[str, str | None]:
        """Return the error as data that JSON can hold; :func:`error_from_data` reads it.

        Returns
        -------
        dict
            ``kind``, the name of the closest class of this module, and the five texts, None where there is none.
        """
        kind = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        texts = {"headline": self.headline, "seen": self.seen, "wanted": self.wanted}
        return {"kind": kind, **texts, "where": self.where, "help": self.help}

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_error, (type(self), self.__dict__.copy()))


def _make_printable(text: str) -> str:
    return escape_invisible(mask_password(text))


def _rebuild_error(kind: type[FlowSDKError], state: dict[str, object]) -> FlowSDKError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("headline"))
    error.__dict__.update(state)
    return error


class UsageError(FlowSDKError):
    """The command line, an option or a setting is wrong."""

    exit_code = 2


class ParameterError(UsageError):
    """A flow parameter is missing, mistyped or unknown."""


class ConfigError(UsageError):
    """A setting or profile can't be used."""


class CheckFailed(FlowSDKError):
    """The flow's source has lint errors; the rendered diagnostics are the message."""

    diagnostics: Sequence[Any] = ()
    """The findings, each a :class:`flow_sdk.lint.diagnostic.Diagnostic`."""


class PlanError(FlowSDKError):
    """A plan can't be read."""


class PlanVersionError(PlanError):
    """A plan was written by a newer release than this one."""


class StoreError(FlowSDKError):
    """The object store can't be used as asked."""


class ObjectMissing(StoreError):
    """There is no object under the key."""


class ObjectExists(StoreError):
    """A create-only put found an object under the key."""


class StoreUnavailable(StoreError):
    """The store can't be reached: no bucket, credentials, folder or answer."""


class IntegrityError(StoreError):
    """Stored bytes don't verify against their hash or header."""


class SerializationError(FlowSDKError):
    """An artifact can't be turned into bytes or back."""


class TaskError(FlowSDKError):
    """A task can't continue."""


class TransitionError(TaskError):
    """A step's transition at run time isn't the one in its source, or can't be followed."""


class InputsError(TaskError):
    """The inputs of a join can't be used or merged."""


class StepTimeout(TaskError):
    """A step ran longer than its ``@timeout`` allows."""


class SecretError(TaskError):
    """A secret can't be used; the error names secrets and variables, never a value."""


class RunFailed(FlowSDKError):
    """A run ended without success."""


class DeployError(FlowSDKError):
    """A deployment was refused or failed; nothing was left half-written."""


class AwsError(FlowSDKError):
    """A service of AWS refused a call, or didn't answer.

    Parameters
    ----------
    headline, seen, wanted, where, help
        As for every error.
    code : str
        AWS's own code, such as ``AccessDeniedException``; empty when no answer came.
    """

    def __init__(
        self,
        headline: str,
        *,
        seen: str | None = None,
        wanted: str | None = None,
        where: str | None = None,
        help: str | None = None,
        code: str = "",
    ) -> None:
        super().__init__(headline, seen=seen, wanted=wanted, where=where, help=help)
        self.code = code

    def as_data(self) -> dict[str, str | None]:
        """Return the error as data, with AWS's ``code``."""
        return {**super().as_data(), "code": self.code}


class ClientError(FlowSDKError):
    """Results can't be read as asked."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows (IPython's protocol): the error without the client's frames."""
        return str(self).splitlines()


class NotFound(ClientError, KeyError):
    """No such flow, run, step, task or artifact."""

    __str__ = FlowSDKError.__str__


class NamespaceMismatch(ClientError):
    """The object exists, in another namespace than the current one."""


class PathspecError(ClientError):
    """A pathspec has the wrong number or form of components."""


def error_from_data(data: Mapping[str, str | None]) -> FlowSDKError:
    """Make the error that :meth:`FlowSDKError.as_data` described.

    Parameters
    ----------
    data : mapping
        The description. A ``kind`` that this release doesn't have becomes a :class:`FlowSDKError`.
    """
    found = globals().get(data.get("kind") or "")
    kind = found if isinstance(found, type) and issubclass(found, FlowSDKError) else FlowSDKError
    texts = {name: data.get(name) for name in ("seen", "wanted", "where", "help")}
    error = kind(data.get("headline") or "", **texts)
    if isinstance(error, AwsError):
        error.code = data.get("code") or ""
    return error


_FORMER_NAMES = {
    "UserCodeError": "flow_sdk.errors.TaskError",
    "visible": "flow_sdk.text.escape_invisible",
    "nearest": "flow_sdk.text.suggest_name",
    "without_password": "flow_sdk.text.mask_password",
}
"""Deprecated names of this module, and their successors."""


def __getattr__(name: str) -> object:
    successor = _FORMER_NAMES.get(name)
    if successor is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    from flow_sdk.deprecation import warn_deprecated

    warn_deprecated(f"flow_sdk.errors.{name}", successor, removal="0.3")
    module, _, attribute = successor.rpartition(".")
    found: object = getattr(importlib.import_module(module), attribute)
    return found
