"""``Metaflow`` and ``Flow``: where reading starts."""

from collections.abc import Iterator
from datetime import datetime

from flow_sdk.client.context import current_store, get_namespace
from flow_sdk.client.local_time import local_time
from flow_sdk.client.objects import ClientObject
from flow_sdk.client.reader import RunReader, open_reader
from flow_sdk.client.run import Run
from flow_sdk.errors import NamespaceMismatch, NotFound
from flow_sdk.ids import is_flow_name
from flow_sdk.metadata.tags import check_tags
from flow_sdk.text import quote_unprintable, suggest_name

__all__ = ["Flow", "Metaflow"]


class Flow(ClientObject[Run]):
    """All runs of a flow in the namespace: ``Flow("TrainFlow")``."""

    _form = "Flow"

    def _ensure_exists(self) -> None:
        """A flow is where a run of it is: one request for one that is in the namespace."""

    def _ensure_visible(self) -> None:
        if is_flow_name(self.id) and self._newest_run(self._namespace) is not None:
            return
        newest = self._newest_run(None) if is_flow_name(self.id) else None
        if newest is None:
            known = self._reader.runs.flows()
            if self.id in known:
                raise NotFound(
                    f"There is no run of flow {self.id!r}.",
                    where=self._url,
                    help="The process that began its first run was killed while it did. Start another run.",
                )
            raise NotFound(
                f"There is no flow {self.id!r}.",
                where=self._url,
                help=suggest_name(self.id, known) or "The store is empty; metadata('local@/folder') chooses another.",
            )
        tags = self._reader.runs.read(self.id, newest).system_tags
        other = next((tag for tag in tags if tag.startswith(("production:", "user:"))), None)
        ways = ([f"namespace({other!r})"] if other else []) + ["namespace(None) to see everything"]
        raise NamespaceMismatch(
            f"{self!r} has no run in the current namespace.",
            seen=f"namespace {self._namespace!r}",
            wanted=f"for its newest run, one of: {', '.join(map(quote_unprintable, tags))}" if tags else None,
            help=f"Switch with {' or '.join(ways)}.",
        )

    def _newest_run(self, tag: str | None) -> str | None:
        return next(self._reader.runs.newest(self.id, tag, 1), None)

    def _iter_children(self) -> Iterator[Run]:
        return self.runs()

    def _find_child(self, id: str) -> Run:
        run = Run._make_unchecked((self.id, id), self._url, self._namespace)
        run._ensure_exists()
        run._ensure_visible()
        return run

    def runs(self, *tags: str) -> Iterator[Run]:
        """Iterate over the runs in the namespace, newest first.

        Parameters
        ----------
        *tags : str
            Tags that a run must carry, all of them.
        """
        wanted = [*([] if self._namespace is None else [self._namespace]), *check_tags(tags, reserved=True)]
        return self._find_tagged(wanted)

    def _find_tagged(self, tags: list[str]) -> Iterator[Run]:
        runs = self._reader.runs
        listing = runs.listing(self.id, tags[0] if tags else None)
        for id in runs.newest_with(self.id, tags):
            yield Run._make_listed(RunReader(self._url, self.id, id, listing), self._namespace)

    @property
    def latest_run(self) -> Run | None:
        """The newest run in the namespace, whatever its state; None when there is none."""
        newest = self._newest_run(self._namespace)
        return None if newest is None else Run._make_unchecked((self.id, newest), self._url, self._namespace)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run in the namespace that succeeded; None when there is none."""
        newest = self._reader.runs.latest_successful(self.id, self._namespace)
        return None if newest is None else Run._make_unchecked((self.id, newest), self._url, self._namespace)

    @property
    def created_at(self) -> datetime | None:
        """When the oldest run, in any namespace, started; in local time."""
        oldest = None
        for oldest in self._reader.runs.newest(self.id):  # noqa: B007  (the last one is meant)
            pass
        return None if oldest is None else local_time(self._reader.runs.read(self.id, oldest).started)

    @property
    def parent(self) -> None:
        """A flow has no parent."""
        return None

    @property
    def tags(self) -> frozenset[str]:
        """A flow has no tags; its runs have."""
        return frozenset()

    user_tags = tags
    system_tags = tags

    @property
    def origin_pathspec(self) -> None:
        """A flow is never resumed; its runs are."""
        return None

    def is_in_namespace(self) -> bool:
        """Return whether a run of the flow is in the current namespace."""
        return self._newest_run(get_namespace()) is not None


class Metaflow:
    """All flows that have a run in the current namespace."""

    @property
    def flows(self) -> list[Flow]:
        """The flows, by name."""
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        url, namespace = current_store(), get_namespace()
        for name in open_reader(url).runs.flows():
            flow = Flow._make_unchecked((name,), url, namespace)
            if flow.is_in_namespace():
                yield flow

    def __getitem__(self, name: str) -> Flow:
        flow = Flow._make_unchecked((str(name),), current_store(), get_namespace())
        flow._ensure_exists()
        flow._ensure_visible()
        return flow

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in open_reader(current_store()).runs.flows()

    def _ipython_key_completions_(self) -> list[str]:
        return [flow.id for flow in self]

    def _namespace_text(self) -> str:
        return get_namespace() or "all"

    def _repr_html_(self) -> str:
        from flow_sdk.client.html.views import render_view

        return render_view(self)

    def __repr__(self) -> str:
        return "Metaflow()"
