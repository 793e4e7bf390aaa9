"""What must hold, looked at whenever the store changes and when all is over."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from flow_sdk.store.records.codec import encode_record
from flow_sdk.store.records.commits import is_redirect, read_task
from flow_sdk.store.records.layout import blob_key
from flow_sdk.store.records.model import Manifest
from flow_sdk.upkeep.store_check import check_store
from tests.simulation.bucket import Bucket
from tests.simulation.world import Violation

__all__ = ["Clean", "Task", "Watch"]

Task = tuple[str, str, str]
"""Run, step and task."""

_OBJECT = re.compile(r"flows/(?P<flow>\w+)/runs/(?P<run>[^/]+)/(?:steps/(?P<step>\w+)/(?P<task>[^/]+)/)?(?P<rest>.+)")
_COMMIT = re.compile(r"commit(\.\d+)?\.json")
_ONCE = re.compile(r"run\.json|\d+/start\.json")


@dataclass(frozen=True, slots=True)
class Clean:
    """What an undisturbed run of a flow gives.

    Parameters
    ----------
    hashes : mapping
        By step and task, the artifacts' hashes by name.
    noisy : frozenset
        The steps whose tasks aren't compared.
    """

    hashes: Mapping[tuple[str, str], Mapping[str, str]]
    noisy: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watch:
    """Looks at every change of a bucket.

    Parameters
    ----------
    clean : Clean
        What is right.
    """

    clean: Clean
    bucket: Bucket = field(init=False)
    counted: dict[Task, tuple[int, bytes]] = field(default_factory=dict)
    """By task, generation and bytes of what was last readable as its commit."""
    history: dict[Task, set[bytes]] = field(default_factory=dict)
    """All that ever was readable."""
    cleared: set[str] = field(default_factory=set)
    """Runs of which a task was cleared."""
    commits: int = 0

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.see)

    def see(self, key: str, before: bytes | None, after: bytes | None) -> None:
        """A change was applied."""
        if key.startswith("blobs/"):
            if after is None or (before is not None and before != after):
                raise Violation(f"the blob {key} was changed or removed")
            return
        found = _OBJECT.fullmatch(key)
        if found is None:
            return
        if _ONCE.fullmatch(found["rest"]) and before is not None:
            raise Violation(f"{key} was written twice")
        if found["step"] and _COMMIT.fullmatch(found["rest"]):
            self._see_commit(key, (found["run"], found["step"], found["task"]), found["flow"], before, after)

    def _see_commit(self, key: str, task: Task, flow: str, before: bytes | None, after: bytes | None) -> None:
        if after is None:
            raise Violation(f"the commit {key} was removed")
        if before is not None and not is_redirect(after):
            raise Violation(f"the commit {key} was written over")
        if before is not None and task[0] not in self.cleared:
            raise Violation(f"{key} leads elsewhere, though nobody cleared the task")
        now = read_task(self.bucket, flow, *task)
        if now is None:
            return
        text = _told(now)
        last = self.counted.get(task)
        if last is not None and last[1] == text:
            return
        if last is not None and now.generation <= last[0]:
            raise Violation(
                f"{'/'.join(task)} was committed in generation {last[0]}, and now another attempt in {now.generation}"
            )
        self.counted[task] = (now.generation, text)
        self.history.setdefault(task, set()).add(text)
        self.commits += 1
        self._see_whole(now, task)

    def _see_whole(self, manifest: Manifest, task: Task) -> None:
        where = "/".join(task)
        for name, ref in manifest.artifacts.items():
            if ref.inline is None and blob_key(ref.hash) not in self.bucket._objects:
                raise Violation(f"{where} is committed, and its artifact {name!r} isn't stored")
        if manifest.items is not None and blob_key(manifest.items.hash) not in self.bucket._objects:
            raise Violation(f"{where} is committed, and its items aren't stored")
        for parent in manifest.parents:
            found = read_task(self.bucket, manifest.flow, manifest.run, parent.step, parent.task)
            if manifest.run in self.cleared:
                continue
            if found is None or found.attempt != parent.attempt:
                raise Violation(f"{where} was committed from attempt {parent.attempt} of {parent.step}/{parent.task}")
        self._compare(manifest, task)

    def _compare(self, manifest: Manifest, task: Task) -> None:
        wanted = self.clean.hashes.get(task[1:])
        if wanted is None:
            raise Violation(f"a clean run has no task {'/'.join(task)}")
        got = {name: ref.hash for name, ref in manifest.artifacts.items()}
        if manifest.step not in self.clean.noisy and got != dict(wanted):
            names = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
            raise Violation(f"{'/'.join(task)} has other artifacts than in a clean run: {', '.join(names)}")

    def ends_as_success(self, manifest: Manifest) -> None:
        """An attempt ended as a success: what it says is committed is, or was until it was cleared."""
        task = (manifest.run, manifest.step, manifest.task)
        if _told(manifest) not in self.history.get(task, ()):
            raise Violation(f"an attempt of {'/'.join(task)} ended as a success, and its commit isn't there")

    def whole(self, flow: str, run: str) -> None:
        """See that a run that succeeded has each task of a clean one, and no other."""
        here = {task[1:] for task in self.counted if task[0] == run}
        found = {task for task in here if read_task(self.bucket, flow, run, *task) is not None}
        if run not in self.cleared and found != set(self.clean.hashes):
            missing = sorted(set(self.clean.hashes) - found)
            raise Violation(f"run {run} succeeded without {missing}")

    def verify(self) -> None:
        """See that nothing that is stored is damaged or missing."""
        report = check_store(self.bucket, threads=1)
        if report.damage:
            raise Violation(f"the store isn't clean: {report.damage[0]}")


def _told(manifest: Manifest) -> bytes:
    return encode_record(manifest, "")
