"""A flow that a rule finds something in, beside the nearest one that is right; and short ways to write them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.strategies.loading import flow_text

NEXT_END = "self.next(self.end)"
END = "end: pass"


@dataclass(frozen=True)
class Pair:
    """A flow with one finding, and the nearest one without."""

    code: str
    bad: str
    says: str
    """Part of the message."""
    at: str
    """What the caret points at."""
    good: str


def pair(code: str, bad: tuple[str, ...], says: str, at: str, good: tuple[str, ...], **body: str) -> Pair:
    return Pair(code, flow_text(*bad, **body), says, at, flow_text(*good, **body))


def chain(*steps: str) -> tuple[str, ...]:
    return ("start: self.next(self.a)", *steps, END)


def switch(cases: str, condition: str = "'c'") -> tuple[str, ...]:
    return (
        f"start: self.c = 'x' ; self.next({{{cases}}}, condition={condition})",
        f"a: {NEXT_END}",
        f"b: {NEXT_END}",
        END,
    )
