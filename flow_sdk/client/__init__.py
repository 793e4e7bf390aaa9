"""Reading results: flows, runs, steps, tasks and artifacts by name, over any store.

One noun a file: ``flow``, ``run``, ``step``, ``task``, ``artifact``, ``code``, ``logs``. ``context`` holds the user's
choices (namespace, store, safe mode), ``reader`` reads the records, ``lineage`` finds children; ``command_text``
renders text for commands, ``html`` for notebooks. Each file imports the nouns below its own. May import metadata and
what lies below it.
"""

from flow_sdk.client.artifact import DataArtifact
from flow_sdk.client.context import (
    default_metadata,
    default_namespace,
    get_metadata,
    get_namespace,
    metadata,
    namespace,
    safe_mode,
)
from flow_sdk.client.flow import Flow, Metaflow
from flow_sdk.client.run import Run
from flow_sdk.client.step import Step
from flow_sdk.client.task import Task

__all__ = [
    "DataArtifact",
    "Flow",
    "Metaflow",
    "Run",
    "Step",
    "Task",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "metadata",
    "namespace",
    "safe_mode",
]
