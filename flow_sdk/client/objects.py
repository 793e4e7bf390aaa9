"""What all client objects have in common: a pathspec, a parent, children."""

from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from flow_sdk.client.context import current_store, get_namespace
from flow_sdk.client.reader import Reader, RunReader, open_reader
from flow_sdk.errors import NamespaceMismatch, NotFound, PathspecError
from flow_sdk.ids import split_pathspec
from flow_sdk.metadata.tags import check_tags
from flow_sdk.text import quote_unprintable

__all__ = ["ClientObject", "InRun", "class_of_level"]

Child = TypeVar("Child")
Self = TypeVar("Self", bound="ClientObject[Any]")

_CLASSES: dict[int, "type[ClientObject[Any]]"] = {}


def class_of_level(level: int) -> "type[Any]":
    """Return the class of the objects with so many names in their pathspec: 1 for Flow, 2 for Run and so on.

    Classes find their parents' class here: each file imports the classes below its own, and none above.
    """
    return _CLASSES[level]


class ClientObject(Generic[Child]):
    """A flow, run, step, task or artifact, found by its pathspec.

    Parameters
    ----------
    pathspec : str
        The names from the flow down to this object with ``/`` between them.

    Raises
    ------
    PathspecError
        If the pathspec has the wrong number of components.
    NotFound
        If there is no such object.
    NamespaceMismatch
        If it is in another namespace than the current one.
    """

    _form: ClassVar[str]
    """The pathspec this class takes, for people: ``Flow/run``."""

    def __init_subclass__(cls) -> None:
        if "_form" in vars(cls):
            _CLASSES.setdefault(cls._form.count("/") + 1, cls)

    def __init__(self, pathspec: str) -> None:
        self._locate(_parse_components(pathspec, type(self)), current_store(), get_namespace())
        self._ensure_exists()
        self._ensure_visible()

    def _locate(self, parts: tuple[str, ...], url: str, namespace: str | None) -> None:
        self._parts = parts
        self._url = url
        self._namespace = namespace

    @classmethod
    def _make_unchecked(cls: type[Self], parts: tuple[str, ...], url: str, namespace: str | None) -> Self:
        """Make the object without a check that it exists."""
        made = cls.__new__(cls)
        made._locate(parts, url, namespace)
        return made

    @property
    def _reader(self) -> Reader:
        return open_reader(self._url)

    def _ensure_exists(self) -> None:
        raise NotImplementedError

    def _ensure_visible(self) -> None:
        raise NotImplementedError

    def _iter_children(self) -> Iterator[Child]:
        raise NotImplementedError

    def _find_child(self, id: str) -> Child:
        """Return a child; raises NotFound."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The last component of the pathspec."""
        return self._parts[-1]

    @property
    def pathspec(self) -> str:
        """The names from the flow down to this object, with ``/`` between them."""
        return "/".join(self._parts)

    @property
    def path_components(self) -> list[str]:
        """The components of the pathspec."""
        return list(self._parts)

    def __iter__(self) -> Iterator[Child]:
        return self._iter_children()

    def __getitem__(self, id: str) -> Child:
        return self._find_child(str(id))

    def __contains__(self, id: object) -> bool:
        try:
            self._find_child(str(id))
        except NotFound:
            return False
        except NamespaceMismatch:
            return True
        return True

    def _repr_html_(self) -> str:
        from flow_sdk.client.html.views import render_view

        return render_view(self)

    def _ipython_key_completions_(self) -> list[str]:
        return [child.id for child in self._iter_children()]  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pathspec!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._identity_parts() == other._identity_parts()

    def __hash__(self) -> int:
        return hash(self._identity_parts())

    def _identity_parts(self) -> tuple[object, ...]:
        return (self._parts, self._url)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), self._parts, self._url, self._namespace))


def _restore(kind: type[ClientObject[Any]], *location: Any) -> ClientObject[Any]:
    return kind._make_unchecked(*location)


def _parse_components(pathspec: object, kind: type[ClientObject[Any]]) -> tuple[str, ...]:
    wanted = f"{kind.__name__}({kind._form!r})"
    if not isinstance(pathspec, str):
        raise PathspecError("A pathspec is a text.", seen=f"{kind.__name__}({pathspec!r})", wanted=wanted)
    try:
        parts = tuple(split_pathspec(pathspec))
    except PathspecError as error:
        error.wanted = wanted
        raise
    count = kind._form.count("/") + 1
    if len(parts) != count:
        raise PathspecError(
            f"{kind.__name__} takes {count} component{'s' if count > 1 else ''}.",
            seen=f"{kind.__name__}({pathspec!r}) has {len(parts)}",
            wanted=wanted,
        )
    return parts


class InRun(ClientObject[Child]):
    """A run, or an object in one: its tags and namespace are the run's."""

    _run: RunReader

    def _locate(self, parts: tuple[str, ...], url: str, namespace: str | None, run: RunReader | None = None) -> None:
        super()._locate(parts, url, namespace)
        # Shared with the parent, so that a run's record and plan are read once for all that is found through it.
        self._run = run or RunReader(url, parts[0], parts[1])

    @classmethod
    def _make_listed(cls: "type[InRunSelf]", run: RunReader, namespace: str | None) -> "InRunSelf":
        """Make the object of a run that a listing found."""
        made = cls.__new__(cls)
        made._locate((run.flow, run.run), run.url, namespace, run)
        return made

    @classmethod
    def _make_related(cls: "type[InRunSelf]", other: "InRun[Any]", parts: tuple[str, ...]) -> "InRunSelf":
        """Make an object of the same run as another, without a check that it exists."""
        made = cls.__new__(cls)
        made._locate(parts, other._url, other._namespace, other._run)
        return made

    @classmethod
    def _make_child(cls: "type[InRunSelf]", parent: "InRun[Any]", id: str) -> "InRunSelf":
        """Make a child of another object, without a check that it exists."""
        return cls._make_related(parent, (*parent._parts, id))

    def _make_ancestor(self, level: int) -> Any:
        """Return the object above this one with so many names in its pathspec."""
        return class_of_level(level)._make_related(self, self._parts[:level])

    def _ensure_visible(self) -> None:
        if self._namespace is None or self._run.has_tag(self._namespace):
            return
        tags = sorted(self._run.tags())
        shown = ", ".join(map(quote_unprintable, tags))
        other = next((tag for tag in tags if tag.startswith(("production:", "user:"))), tags[0] if tags else None)
        ways = ([f"namespace({other!r})"] if other else []) + ["namespace(None) to see everything"]
        raise NamespaceMismatch(
            f"{self!r} isn't in the current namespace.",
            seen=f"namespace {self._namespace!r}",
            wanted=f"one of the run's tags: {shown}" if tags else "the global namespace: the run has no tags",
            help=f"Switch with {' or '.join(ways)}.",
        )

    def is_in_namespace(self) -> bool:
        """Return whether the run is in the current namespace."""
        current = get_namespace()
        return current is None or self._run.has_tag(current)

    def _children_if_tagged(self, tags: tuple[str, ...]) -> Iterator[Child]:
        """The children, if the run carries all of the tags."""
        wanted = check_tags(tags, reserved=True)
        return self._iter_children() if set(wanted) <= (self.tags if wanted else frozenset()) else iter(())

    @property
    def tags(self) -> frozenset[str]:
        """All tags of the run."""
        return self._run.tags()

    @property
    def user_tags(self) -> frozenset[str]:
        """The run's tags that users may change."""
        return self._run.user_tags()

    @property
    def system_tags(self) -> frozenset[str]:
        """The run's tags that can't be changed."""
        return frozenset(self._run.record.system_tags)


InRunSelf = TypeVar("InRunSelf", bound=InRun[Any])
