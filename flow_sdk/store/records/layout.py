"""Where everything lies in a store: the one place that builds keys."""

__all__ = [
    "STORE_MARKER",
    "alive_key",
    "alive_prefix",
    "attempt_prefix",
    "blob_key",
    "clock_key",
    "collection_key",
    "collections_prefix",
    "commit_key",
    "deployments_prefix",
    "doomed_key",
    "doomed_prefix",
    "events_prefix",
    "failure_key",
    "failures_prefix",
    "files_prefix",
    "flows_prefix",
    "handoff_key",
    "heartbeat_key",
    "index_prefix",
    "log_key",
    "log_prefix",
    "manifest_key",
    "number_prefix",
    "release_key",
    "request_key",
    "resumed_prefix",
    "run_end_key",
    "run_input_key",
    "run_key",
    "run_prefix",
    "runs_prefix",
    "start_key",
    "steps_prefix",
    "sweep_key",
    "tag_claims_prefix",
    "tag_prefix",
    "task_prefix",
    "tasks_prefix",
    "token_key",
    "token_prefix",
]

STORE_MARKER = "store.json"


def blob_key(digest: str) -> str:
    """Key of the blob whose content has this hexadecimal digest."""
    return f"blobs/{digest[:2]}/{digest}"


def flows_prefix() -> str:
    """Folder of all flows."""
    return "flows/"


def deployments_prefix() -> str:
    """Folder of all deployed names."""
    return "deployments/"


def token_prefix(encoded_name: str) -> str:
    """Folder of the claims on a deployed name, one for each token it has had."""
    return f"deployments/{encoded_name}/tokens/"


def token_key(encoded_name: str, generation: int) -> str:
    """A token's claim (create-only)."""
    return token_prefix(encoded_name) + f"{generation:08d}.json"


def release_prefix(encoded_name: str) -> str:
    """Folder of what the deployments of a name need of the store."""
    return f"deployments/{encoded_name}/releases/"


def release_key(encoded_name: str, target: str, digest: str) -> str:
    """What a deployment needs of the store (the last word wins; the same content is the same key)."""
    return release_prefix(encoded_name) + f"{target}/{digest}.json"


def collections_prefix() -> str:
    """Folder of the collections of garbage, one object each, the newest last."""
    return "gc/collections/"


def collection_key(number: int) -> str:
    """A collection: the claim to be the only one (create-only), then how far it has come (its own word)."""
    return collections_prefix() + f"{number:08d}.json"


def sweep_key() -> str:
    """Announces that blobs are being deleted."""
    return "gc/sweep.json"


def doomed_prefix() -> str:
    """Folder of the lists of blobs that are being deleted."""
    return "gc/doomed/"


def doomed_key(folder: str) -> str:
    """The blobs that are being deleted of those whose hash begins with ``folder``."""
    return doomed_prefix() + f"{folder}.json"


def clock_key() -> str:
    """Written to see what the store takes for the time."""
    return "gc/clock"


def runs_prefix(flow: str) -> str:
    """Folder of a flow's runs."""
    return f"flows/{flow}/runs/"


def number_prefix(flow: str) -> str:
    """Folder of the claims on integer run ids, the newest first."""
    return f"flows/{flow}/numbers/"


def index_prefix(flow: str, encoded_tag: str) -> str:
    """Folder of the newest-first index of the runs with a tag."""
    return f"flows/{flow}/index/{encoded_tag}/"


def run_prefix(flow: str, run: str) -> str:
    """Folder of one run."""
    return f"flows/{flow}/runs/{run}/"


def run_key(flow: str, run: str) -> str:
    """What a run started with (create-only)."""
    return run_prefix(flow, run) + "run.json"


def run_end_key(flow: str, run: str) -> str:
    """How a run that its scheduler saw through ended (the last word wins)."""
    return run_prefix(flow, run) + "end.json"


def run_input_key(flow: str, run: str) -> str:
    """Whether the start task took the run's input, for an orchestrator that reads this itself."""
    return run_prefix(flow, run) + "input.json"


def heartbeat_key(flow: str, run: str) -> str:
    """When the process that drives a local run was last there (the last word wins)."""
    return run_prefix(flow, run) + "heartbeat.json"


def alive_prefix(flow: str, run: str) -> str:
    """Folder of the signs of life of a run's tasks that an orchestrator started."""
    return run_prefix(flow, run) + "alive/"


def alive_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Sign of life of an attempt; there only while the attempt is at work."""
    return alive_prefix(flow, run) + f"{step}={task}={attempt}"


def events_prefix(flow: str, run: str, history: str) -> str:
    """Folder of the account of a history's events, an empty object ``<step>=<task>=<events>`` for each growth."""
    return run_prefix(flow, run) + f"events/{history}/"


def failures_prefix(flow: str, run: str) -> str:
    """Folder of the marks of a run's tasks that failed for good."""
    return run_prefix(flow, run) + "failures/"


def failure_key(flow: str, run: str, step: str, task: str) -> str:
    """Mark of a task that failed for good."""
    return failures_prefix(flow, run) + f"{step}/{task}.json"


def request_key(flow: str, run: str, digest: str) -> str:
    """What jobs of a run are told, under the hash of its bytes."""
    return run_prefix(flow, run) + f"requests/{digest}.json"


def files_prefix(flow: str, run: str) -> str:
    """Folder of the files that a run's tasks put beside it: ``S3(run=self)``."""
    return run_prefix(flow, run) + "files/"


def tag_prefix(flow: str, run: str) -> str:
    """Folder of a run's user tags, one object a tag."""
    return run_prefix(flow, run) + "tags/"


def tag_claims_prefix(flow: str, run: str) -> str:
    """Folder of the claims of those who are adding tags to a run just now."""
    return run_prefix(flow, run) + "tagging/"


def resumed_prefix(flow: str, run: str) -> str:
    """Folder of the marks of those who resume a run just now: the collector leaves such a run alone."""
    return run_prefix(flow, run) + "resumed/"


def steps_prefix(flow: str, run: str) -> str:
    """Folder of a run's steps."""
    return run_prefix(flow, run) + "steps/"


def tasks_prefix(flow: str, run: str, step: str) -> str:
    """Folder of a step's tasks."""
    return steps_prefix(flow, run) + f"{step}/"


def task_prefix(flow: str, run: str, step: str, task: str) -> str:
    """Folder of one task."""
    return tasks_prefix(flow, run, step) + f"{task}/"


def commit_key(flow: str, run: str, step: str, task: str) -> str:
    """The commit record: the winning attempt's manifest (create-only)."""
    return task_prefix(flow, run, step, task) + "commit.json"


def handoff_key(flow: str, run: str, step: str, task: str) -> str:
    """Where a committed foreach or switch leads, for an orchestrator that reads it itself."""
    return task_prefix(flow, run, step, task) + "next.json"


def attempt_prefix(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Folder of one attempt (numbered from 0)."""
    return task_prefix(flow, run, step, task) + f"{attempt}/"


def start_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """The claim on an attempt's number (create-only)."""
    return attempt_prefix(flow, run, step, task, attempt) + "start.json"


def manifest_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """The manifest of an attempt that wasn't committed."""
    return attempt_prefix(flow, run, step, task, attempt) + "manifest.json"


def log_prefix(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Folder of an attempt's log."""
    return attempt_prefix(flow, run, step, task, attempt) + "log/"


def log_key(flow: str, run: str, step: str, task: str, attempt: int, chunk: int) -> str:
    """One chunk of an attempt's log."""
    return log_prefix(flow, run, step, task, attempt) + f"{chunk:06d}"
