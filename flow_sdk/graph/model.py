"""The graph of a flow as data: steps, their transitions, and where in the source these are."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

__all__ = ["Case", "Fault", "Graph", "NextCall", "NextTarget", "Node", "Scope", "SourceSpan"]


ScopeKind = Literal["foreach", "split", "loop"]
"""What opens a scope."""


class SourceSpan(NamedTuple):
    """A range of a source file.

    Parameters
    ----------
    file : str
        The file as Python knows it.
    line, end_line : int
        First and last line, from 1.
    column, end_column : int
        First column and the one after the last, in characters from 1.
    text : str
        The whole first line, so that a diagnostic can show it.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str = ""


class Fault(NamedTuple):
    """A mistake in the graph; ``lint`` has a rule, and the message, for each kind.

    Parameters
    ----------
    kind : str
        What is wrong, such as ``"bad-target"``.
    step : str
        The step it is about.
    span : SourceSpan
        Where to point.
    details : dict of str
        Names that the message needs.
    """

    kind: str
    step: str
    span: SourceSpan
    details: dict[str, str]


class NextTarget(NamedTuple):
    """One step named in a ``self.next``."""

    name: str
    span: SourceSpan


class Case(NamedTuple):
    """One case of a switch."""

    value: Any
    target: str
    span: SourceSpan

    @property
    def value_text(self) -> str:
        """The value for people: a word as it is, anything else as Python writes it."""
        return self.value if isinstance(self.value, str) and self.value.isidentifier() else repr(self.value)


class NextCall(NamedTuple):
    """One call of ``self.next``.

    Parameters
    ----------
    kind : {"linear", "split", "foreach", "switch", "parallel"}
        What the arguments say.
    targets : tuple of Target
        The steps named, in source order; for a switch one for each case.
    foreach, condition : str or None
        The artifact named by the keyword.
    cases : tuple of Case
        A switch's cases.
    is_last : bool
        Whether the call is the last statement of the step, or of one of the paths through it that all end in a call.
    span : SourceSpan
        The call.
    faults : tuple of Fault
        What is wrong with the arguments.
    """

    kind: str
    targets: tuple[NextTarget, ...]
    foreach: str | None
    condition: str | None
    cases: tuple[Case, ...]
    is_last: bool
    span: SourceSpan
    faults: tuple[Fault, ...] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What the call means, whatever its position in the source."""
        cases = tuple((type(case.value), case.value, case.target) for case in self.cases)
        return self.kind, tuple(target.name for target in self.targets), self.foreach, self.condition, cases


class Node(NamedTuple):
    """One step as its source has it.

    Parameters
    ----------
    name : str
        The step's name.
    arguments : int
        Number of arguments, ``self`` included.
    odd_arguments : bool
        Whether it has ``*args``, ``**kwargs`` or keyword-only arguments.
    nature : {"function", "generator", "async"}
        What calling it would give.
    marked_start, marked_end : bool
        ``@step(start=True)``, ``@step(end=True)``.
    calls : tuple of NextCall
        All calls of ``self.next``, in source order.
    doc : str
        The docstring, dedented.
    span : SourceSpan
        The name in the ``def`` line.
    decorator_spans : tuple of (str, SourceSpan)
        The decorators as written, from the top.
    shadows : SourceSpan or None
        An earlier step of the same name in the same class body, which Python drops.
    has_source : bool
        Whether the source was found.
    """

    name: str
    arguments: int
    odd_arguments: bool
    nature: str
    marked_start: bool
    marked_end: bool
    calls: tuple[NextCall, ...]
    doc: str
    span: SourceSpan
    decorator_spans: tuple[tuple[str, SourceSpan], ...] = ()
    shadows: SourceSpan | None = None
    has_source: bool = True

    @property
    def call(self) -> NextCall | None:
        """The call that counts: the last one, which those on other paths have to equal."""
        return self.calls[-1] if self.calls else None

    @property
    def kind(self) -> str:
        """The kind of the step's transition; ``"end"`` when it has none."""
        return self.calls[-1].kind if self.calls else "end"

    @property
    def is_join(self) -> bool:
        """Whether it takes ``inputs``."""
        return self.arguments > 1

    @property
    def next(self) -> tuple[str, ...]:
        """Distinct targets in source order."""
        return tuple(dict.fromkeys(target.name for target in self.calls[-1].targets)) if self.calls else ()

    def describe_edge(self, target: str) -> str:
        """Return when the edge to a step is taken, for people: the foreach's artifact, or the switch's cases."""
        call = self.call
        if call is not None and self.kind == "foreach":
            return f"each of {call.foreach}"
        if call is not None and self.kind == "switch":
            return ", ".join(case.value_text for case in call.cases if case.target == target)
        return ""


class Scope(NamedTuple):
    """One level that encloses a step, in graphs and in plans.

    Parameters
    ----------
    kind : {"foreach", "split", "loop"}
        What opened the level. A static split adds no number to a task's position.
    step : str
        The step that opened it: the splitting step, or a loop's entry.
    branch : str or None
        For a static split, the branch (the target named in ``self.next``) the step lies in.
    """

    kind: ScopeKind
    step: str
    branch: str | None = None


class Graph(NamedTuple):
    """A flow's steps, in the order of the source.

    Parameters
    ----------
    flow : str
        The flow's name.
    doc : str
        The flow's docstring, dedented.
    nodes : dict of Node
        The steps by name.
    span : SourceSpan
        The name in the ``class`` line.
    assignments : dict of SourceSpan
        Where the class bodies assign plain attributes.
    methods : frozenset of str
        Names of the methods of the class that aren't steps.
    unmarked : dict of SourceSpan
        Methods that call ``self.next`` and aren't steps: the name in the ``def`` line.
    overwritten : tuple of (str, SourceSpan)
        Where methods set an attribute that has the name of a step.
    replaced : dict of str
        Steps whose name the same class body has assigned before: what was assigned, such as ``"parameter"``.
    """

    flow: str
    doc: str
    nodes: dict[str, Node]
    span: SourceSpan
    assignments: dict[str, SourceSpan]
    methods: frozenset[str]
    unmarked: dict[str, SourceSpan] = {}  # noqa: RUF012 - never changed
    overwritten: tuple[tuple[str, SourceSpan], ...] = ()
    replaced: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def starts(self) -> tuple[str, ...]:
        """The steps that the flow could start with: those marked, or else the one named ``start``, or a single step."""
        return self._ends_of("start", [node.name for node in self.nodes.values() if node.marked_start])

    @property
    def ends(self) -> tuple[str, ...]:
        """The steps that the flow could end with, found as :attr:`starts` are."""
        return self._ends_of("end", [node.name for node in self.nodes.values() if node.marked_end])

    def _ends_of(self, name: str, marked: list[str]) -> tuple[str, ...]:
        if marked:
            return tuple(marked)
        if name in self.nodes:
            return (name,)
        return tuple(self.nodes) if len(self.nodes) == 1 else ()
