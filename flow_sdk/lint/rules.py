"""The registry of lint rules, and what a rule reads and yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flow_sdk.graph.model import Fault, Graph, Node, SourceSpan
from flow_sdk.graph.regions import Regions

__all__ = ["RULES", "CheckedFlow", "Finding", "Rule", "register_rule"]


class Finding(NamedTuple):
    """What a rule yields; the registry adds the rule's code."""

    message: str
    span: SourceSpan
    help: str = ""


class CheckedFlow(NamedTuple):
    """What the rules read.

    Parameters
    ----------
    graph : Graph
        The flow's steps.
    regions : Regions
        What encloses what.
    decorators : mapping
        The step decorators in effect by step, as given; each has a ``name``.
    parameters : tuple of (str, object)
        Class attributes that are parameters.
    flow_decorators : tuple
        The decorators of the class.
    hidden : mapping
        Steps of which a class body has a parameter, config or plain attribute, too: its kind by name.
    """

    graph: Graph
    regions: Regions
    decorators: Mapping[str, tuple[Any, ...]]
    parameters: tuple[tuple[str, Any], ...] = ()
    flow_decorators: tuple[Any, ...] = ()
    hidden: Mapping[str, str] = {}

    @property
    def nodes(self) -> Iterable[Node]:
        """The steps in the order of the source."""
        return self.graph.nodes.values()

    def call_faults(self, *kinds: str) -> Iterator[Fault]:
        """Yield the faults of these kinds in the arguments of ``self.next``."""
        for node in self.nodes:
            for call in node.calls:
                yield from (fault for fault in call.faults if fault.kind in kinds)

    def region_faults(self, *kinds: str) -> Iterator[Fault]:
        """Yield the faults of these kinds between splits, joins and loops."""
        return (fault for fault in self.regions.faults if fault.kind in kinds)

    @property
    def has_holes(self) -> bool:
        """Whether transitions are missing or lead nowhere, so that what seems unmatched may only be a consequence."""
        starts, ends = set(self.graph.starts), self.graph.ends
        for node in self.nodes:
            if not node.has_source or (node.call is None and node.name not in ends):
                return True
            if node.call and (node.call.faults or not self.graph.nodes.keys() - starts >= set(node.next)):
                return True
        return len(starts) != 1 or len(ends) != 1


Check = Callable[[CheckedFlow], Iterable[Finding]]


class Rule(NamedTuple):
    """One rule: its id, a sentence for the docs, and the function that finds."""

    code: str
    sentence: str
    check: Check


RULES: dict[str, Rule] = {}
"""All rules by code."""


def register_rule(code: str, sentence: str) -> Callable[[Check], Check]:
    """Register a function as a rule.

    Parameters
    ----------
    code : str
        ``FS`` and three digits; never used again for another rule.
    sentence : str
        What must hold, for the docs.
    """

    def register(check: Check) -> Check:
        assert code not in RULES, f"rule {code} exists already"
        RULES[code] = Rule(code, sentence, check)
        return check

    return register
