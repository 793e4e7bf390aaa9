"""The files of a run: who put each, and which of them a reader sees.

Every attempt of a task has a place of its own for each key, ``<key>/=.<step>.<task>.<attempt>/<name>``. (No key, as it
is spelt, holds ``=.``.) So what a failed attempt left, or one that was abandoned still puts, never mixes
with what its retry puts. A reader sees of each task what its committed attempt put, and of several tasks that put one
key the one that started last. In a resumed run, a task that was reused has its files in the run it was taken from.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flow_sdk.errors import ObjectMissing
from flow_sdk.files.addresses import decode_key, encode_key
from flow_sdk.files.file_store import ByteSpan, Content, FileEntry, FileInfo, FileLabel, FileStore
from flow_sdk.ids import is_step_name, is_task_id
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import Manifest

__all__ = ["RunFiles", "Writer"]

MARK = "=."
"""What the name of a writer's folder begins with."""

OUTSIDE = MARK + "outside"
"""Name in a key of a writer outside of any task."""

_BATCH = 256


class Writer(NamedTuple):
    """An attempt of a task."""

    step: str
    task: str
    attempt: int

    def __str__(self) -> str:
        return f"{MARK}{self.step}.{self.task}.{self.attempt}"

    @classmethod
    def parse_text(cls, text: str) -> "Writer | None":
        """Read the form that ``str`` gives; None for anything else."""
        step, _, rest = text.removeprefix(MARK).partition(".")
        task, _, attempt = rest.rpartition(".")
        if text.startswith(MARK) and is_step_name(step) and is_task_id(task) and attempt.isdecimal():
            return cls(step, task, int(attempt))
        return None


class _Version(NamedTuple):
    """What one attempt put under one key."""

    run: str
    writer: Writer | None
    entry: FileEntry


class RunFiles:
    """The files of a run, as a store of files.

    Parameters
    ----------
    inner : FileStore
        Where they are.
    roots : dict of str to str
        Folder of each run's files: the run's own first, then those of the runs it was resumed from.
    store : ObjectStore
        The store with the run's tasks.
    flow : str
        The flow's name.
    me : Writer or None
        The task that reads and puts; None outside of the run.
    """

    def __init__(
        self, inner: FileStore, roots: dict[str, str], store: ObjectStore, flow: str, me: Writer | None
    ) -> None:
        self._inner, self._roots, self._store, self._flow, self._me = inner, roots, store, flow, me
        self._run = next(iter(roots))
        self._committed: dict[tuple[str, str], Manifest] = {}

    def url(self, key: str) -> str:
        """URL of a key's folder; each file in it has one of its own."""
        folder = self._roots[self._run]
        return self._inner.url(f"{folder}/{encode_key(key)}" if key else folder)

    def find_file(self, key: str) -> FileInfo | None:
        """See :meth:`~flow_sdk.files.file_store.FileStore.find`."""
        seen = self._find_visible(key)
        found = self._inner.find_file(seen.key) if seen is not None else None
        return None if found is None or seen is None else self._with_url(found, seen)

    def download_file(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        """See :meth:`~flow_sdk.files.file_store.FileStore.download_file`."""
        seen = self._find_visible(key)
        if seen is None:
            raise ObjectMissing(
                f"There is no file {key!r} of the run {self._flow}/{self._run}.",
                where=self.url(key),
                help="A step sees what the tasks before it have put, and not what an attempt that failed did.",
            )
        return self._with_url(self._inner.download_file(seen.key, path, span, parts), seen)

    def upload_file(self, key: str, content: Content, label: FileLabel, *, overwrite: bool) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.upload_file`."""
        spelt = encode_key(key)
        if not overwrite and (seen := self._find_visible(key)) is not None:
            return self._inner.url(seen.key)
        mine = f"{self._roots[self._run]}/{spelt}/{self._me or OUTSIDE}/{spelt.rpartition('/')[2]}"
        return self._inner.upload_file(mine, content, label, overwrite=overwrite)

    def list_all(self, prefix: str) -> Iterator[FileEntry]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_all`."""
        below = encode_key(prefix) if prefix else ""
        chosen = self._choose_visible(self._list_versions(below))
        for spelt in sorted(chosen):
            key = decode_key(spelt)
            if key != prefix:
                yield FileEntry(key, chosen[spelt].size, chosen[spelt].modified)

    def list_folder(self, prefix: str) -> tuple[list[FileEntry], list[str]]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_folder`."""
        entries, folders = [], set()
        start = len(prefix) + 1 if prefix else 0
        for entry in self.list_all(prefix):
            name, slash, _ = entry.key[start:].partition("/")
            if slash:
                folders.add(entry.key[:start] + name)
            else:
                entries.append(entry)
        return entries, sorted(folders)

    def _with_url(self, found: FileInfo, seen: FileEntry) -> FileInfo:
        return FileInfo(
            found.size, found.modified, found.content_type, found.metadata,
            offset=found.offset, length=found.length, url=self._inner.url(seen.key),
        )  # fmt: skip

    def _find_visible(self, key: str) -> FileEntry | None:
        spelt = encode_key(key)
        return self._choose_visible((s, v) for s, v in self._list_versions(spelt) if s == spelt).get(spelt)

    def _list_versions(self, below: str) -> Iterator[tuple[str, _Version]]:
        """All that was put below a folder, by the key as it is spelt; what isn't of our making is passed over."""
        for run, root in self._roots.items():
            for entry in self._inner.list_all(f"{root}/{below}" if below else root):
                parts = entry.key[len(root) + 1 :].split("/")
                if len(parts) < 3 or parts[-1] != parts[-3]:
                    continue
                writer = Writer.parse_text(parts[-2])
                if writer is not None or (parts[-2] == OUTSIDE and run == self._run):
                    yield "/".join(parts[:-2]), _Version(run, writer, entry)

    def _choose_visible(self, versions: Iterable[tuple[str, _Version]]) -> dict[str, FileEntry]:
        """Which version of each key is seen."""
        found = list(versions)
        self._read_commits(
            {(w.step, w.task) for _, version in found if (w := version.writer) is not None and w != self._me}
        )
        best: dict[str, tuple[float, str, FileEntry]] = {}
        newest: dict[tuple[str, str], int] = {}
        for spelt, version in found:
            since = self._visible_since(version, newest)
            rank = (since, str(version.writer), version.entry) if since is not None else None
            if rank is not None and (spelt not in best or rank > best[spelt]):
                best[spelt] = rank
        return {spelt: entry for spelt, (_, _, entry) in best.items()}

    def _visible_since(self, version: _Version, newest: dict[tuple[str, str], int]) -> float | None:
        """When the task that put a file started; None if the file isn't to be seen."""
        writer, run = version.writer, version.run
        if writer is None:
            return version.entry.modified
        task = writer[:2]
        if self._me is not None and task == self._me[:2]:
            # Its own come before all others.
            return float("inf") if writer == self._me and run == self._run else None
        manifest = self._committed.get(task)
        if manifest is not None:
            origin = None if run == self._run else f"{self._flow}/{run}/{writer.step}/{writer.task}"
            return manifest.started if (origin, writer.attempt) == (manifest.origin, manifest.attempt) else None
        if run != self._run:
            return None
        if task not in newest:
            newest[task] = max(commits.list_attempts(self._store, self._flow, run, *task), default=0)
        return version.entry.modified if writer.attempt == newest[task] else None

    def _read_commits(self, tasks: set[tuple[str, str]]) -> None:
        """Read which attempts were committed; that doesn't change any more, so each is read once."""
        wanted = sorted(tasks - self._committed.keys())
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            read = commits.read_tasks(self._store, self._flow, self._run, batch)
            self._committed |= {task: manifest for task, manifest in zip(batch, read, strict=True) if manifest}
