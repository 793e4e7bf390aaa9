"""The exceptions of Metaflow by their names, as those of :mod:`flow_sdk.errors`: ``except MetaflowNotFound`` works.

``MetaflowException`` is the base of all errors of Flow SDK, and may be raised and derived from.
"""

from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.errors import (
    FlowSDKError,
    InputsError,
    NamespaceMismatch,
    NotFound,
    ParameterError,
    PathspecError,
    StoreError,
    UsageError,
)

__all__ = [
    "METAFLOW_EXIT_ALLOW_RETRY",
    "METAFLOW_EXIT_DISALLOW_RETRY",
    "CommandException",
    "ExternalCommandFailed",
    "InvalidDecoratorAttribute",
    "MetaflowDataMissing",
    "MetaflowException",
    "MetaflowExceptionWrapper",
    "MetaflowInternalError",
    "MetaflowInvalidPathspec",
    "MetaflowNamespaceMismatch",
    "MetaflowNotFound",
    "MetaflowTaggingError",
    "MetaflowUnknownUser",
    "MissingInMergeArtifactsException",
    "ParameterFieldFailed",
    "ParameterFieldTypeMismatch",
    "UnhandledInMergeArtifactsException",
]

MetaflowException = FlowSDKError
MetaflowNotFound = NotFound
MetaflowNamespaceMismatch = NamespaceMismatch
MetaflowInvalidPathspec = PathspecError
MetaflowDataMissing = StoreError
MetaflowTaggingError = UsageError
MetaflowUnknownUser = UsageError
CommandException = UsageError
InvalidDecoratorAttribute = UsageError
ParameterFieldFailed = ParameterError
ParameterFieldTypeMismatch = ParameterError
UnhandledInMergeArtifactsException = InputsError
MissingInMergeArtifactsException = InputsError
MetaflowExceptionWrapper = CaughtFailure
"""What ``@catch`` puts into its variable."""

METAFLOW_EXIT_DISALLOW_RETRY = 202
METAFLOW_EXIT_ALLOW_RETRY = 203
"""Metaflow's exit codes of a task, for flow files that end a process with one: ours are 1 and 2."""


class MetaflowInternalError(FlowSDKError):
    """Not raised by Flow SDK; for flow files that raise it themselves."""


class ExternalCommandFailed(FlowSDKError):
    """Not raised by Flow SDK; for flow files that raise it themselves."""
