"""Pairs for the rules about steps and about ``self.next``."""

from __future__ import annotations

from tests.strategies.loading import flow_text
from tests.unit.lint.pairs import END, NEXT_END, Pair, chain, pair, switch


def paths(*lines: str) -> str:
    """A flow of the steps start, a, b and end in which these lines are the body of ``a``."""
    text = flow_text(
        "start: self.c = 1 ; self.next({1: self.a, 2: self.b}, condition='c')", "a: LINES", f"b: {NEXT_END}", END
    )
    return text.replace("LINES", "\n        ".join(lines))


STEPS = [
    pair("FS101", (), "has no steps", "Small", ("start: pass",)),
    pair(
        "FS102",
        ("start: self.next(self.Big)", f"Big: {NEXT_END}", END),
        "'Big' can't be",
        "Big",
        chain(f"a: {NEXT_END}"),
    ),
    pair(
        "FS102", ("start: self.next(self._a)", f"_a: {NEXT_END}", END), "'_a' can't be", "_a", chain(f"a: {NEXT_END}")
    ),
    pair("FS102", ("start: self.next(self.ä)", f"ä: {NEXT_END}", END), "'ä' can't be", "ä", chain(f"a: {NEXT_END}")),
    pair(
        "FS103", ("start: self.next(self.cmd)", f"cmd: {NEXT_END}", END), "is reserved", "cmd", chain(f"a: {NEXT_END}")
    ),
    pair(
        "FS104",
        ("start: self.next(self.foreach_stack)", f"foreach_stack: {NEXT_END}", END),
        "every flow has that attribute",
        "foreach_stack",
        chain(f"a: {NEXT_END}"),
    ),
    Pair(
        "FS105",
        flow_text("start: pass", name="Größe"),
        "can't be the name of a flow",
        "Größe",
        flow_text("start: pass"),
    ),
    pair("FS106", chain("a: pass", f"a: {NEXT_END}"), "replaces a method", "a", chain(f"a: {NEXT_END}")),
    pair("FS108", chain(f"a(inputs, more): {NEXT_END}"), "must take self", "a", chain(f"a: {NEXT_END}")),
    pair("FS108", chain(f"a(*rest): {NEXT_END}"), "must take self", "a", chain(f"a: {NEXT_END}")),
    pair("FS109", chain(f"a: yield 1 ; {NEXT_END}"), "yield", "a", chain(f"a: list((yy for yy in [])) ; {NEXT_END}")),
    pair(
        "FS110", (f"begin: {NEXT_END}", END), "no start step", "Small", (f"@step(start=True)\nbegin: {NEXT_END}", END)
    ),
    pair(
        "FS110",
        (f"@step(start=True)\nbegin: {NEXT_END}", f"@step(start=True)\nstart: {NEXT_END}", END),
        "marked as start",
        "start",
        (f"@step(start=True)\nbegin: {NEXT_END}", END),
    ),
    pair(
        "FS110",
        ("@step(start=True)\nbegin: self.next(self.start)", f"start: {NEXT_END}", END),
        "isn't the start",
        "start",
        (f"@step(start=True)\nbegin: {NEXT_END}", END),
    ),
    pair(
        "FS112",
        chain("a: self.c = 1 ; self.next({1: self.start, 2: self.end}, condition='c')"),
        "leads to 'start'",
        "self.start",
        chain("a: self.c = 1 ; self.next({1: self.a, 2: self.end}, condition='c')"),
    ),
    pair(
        "FS113",
        chain(f"a: {NEXT_END}", "@step(end=True)\nend: self.next(self.end)")[:-1],
        "can't lead on",
        "self.next(self.end)",
        chain(f"a: {NEXT_END}"),
    ),
    pair("FS113", ("start: self.next(self.start)",), "can't lead on", "self.next(self.start)", ("start: pass",)),
    Pair(
        "FS115",
        flow_text(f"start: {NEXT_END}", END, body="def middle(self): self.next(self.end)"),
        "'middle' calls self.next, but isn't a step",
        "middle",
        flow_text(f"start: {NEXT_END}", END, body="def middle(self): return self.end"),
    ),
    Pair(
        "FS116",
        flow_text(*chain(f"a: {NEXT_END}"), body="a = Parameter('a', default=3)"),
        "the parameter 'a' has the name of a step",
        "a",
        flow_text(*chain(f"a: {NEXT_END}"), body="b = Parameter('a', default=3)"),
    ),
    Pair(
        "FS116",
        flow_text(*chain(f"a: {NEXT_END}"), body="a = 3"),
        "the attribute 'a' has the name of a step",
        "a",
        flow_text(*chain(f"a: {NEXT_END}"), body="a: int"),
    ),
    Pair(
        "FS116",
        flow_text(*chain(f"a: {NEXT_END}"), body="def fill(self):\n    for self.a in range(3): pass"),
        "'a' is a step, so no artifact",
        "self.a",
        flow_text(*chain(f"a: {NEXT_END}"), body="def fill(self):\n    for self.b in range(3): pass"),
    ),
    pair(
        "FS116",
        chain(f"a: self.end = 1 ; {NEXT_END}"),
        "'end' is a step, so no artifact",
        "self.end",
        chain(f"a: self.ends = self.end ; {NEXT_END}"),
    ),
    pair("FS114", (f"start(inputs): {NEXT_END}", END), "can't take inputs", "start", (f"start: {NEXT_END}", END)),
]

TRANSITIONS = [
    pair(
        "FS201", chain("a: pass", f"b: {NEXT_END}", "c: self.next(self.b)"), "doesn't say", "a", chain(f"a: {NEXT_END}")
    ),
    pair("FS202", chain(f"a: {NEXT_END} ; print()"), "isn't the last", NEXT_END, chain(f"a: print() ; {NEXT_END}")),
    pair("FS202", chain(f"a: return {NEXT_END}"), "isn't the last", NEXT_END, chain(f"a: {NEXT_END}")),
    Pair(
        "FS202",
        paths("if self.x:", f"    {NEXT_END}"),
        "isn't the last",
        NEXT_END,
        paths("if self.x:", f"    {NEXT_END}", "else:", f"    {NEXT_END}"),
    ),
    Pair(
        "FS202",
        paths("if self.x:", f"    {NEXT_END}", "    print()", "    return", NEXT_END),
        "isn't the last",
        NEXT_END,
        paths("if self.x:", "    print()", f"    {NEXT_END}", "    return", NEXT_END),
    ),
    Pair(
        "FS202",
        paths("if self.x:", f"    {NEXT_END}", "    return", "self.next(self.b)"),
        "says something else",
        NEXT_END,
        paths("if self.x:", "    self.next(self.b)", "    return", "self.next(self.b)"),
    ),
    pair("FS203", chain("a: self.next(self.ennd)"), "'ennd' isn't a step", "self.ennd", chain(f"a: {NEXT_END}")),
    pair("FS204", chain("a: self.next('end')"), "'end' isn't the name", "'end'", chain(f"a: {NEXT_END}")),
    pair("FS204", chain("a: self.next()"), "names no step", "self.next()", chain(f"a: {NEXT_END}")),
    pair("FS205", chain("a: self.next(self.end, for_each='x')"), "'for_each'", "for_each='x'", chain(f"a: {NEXT_END}")),
    pair(
        "FS206", switch("'x': self.a, 'y': self.b", "self.c"), "in quotes", "self.c", switch("'x': self.a, 'y': self.b")
    ),
    pair(
        "FS206",
        switch("'x': self.a, 'y': self.b", "'no name'"),
        "in quotes",
        "'no name'",
        switch("'x': self.a, 'y': self.b"),
    ),
    pair(
        "FS207",
        (
            "start: self.next(self.a, self.b, foreach='x')",
            "a: self.next(self.j)",
            "b: self.next(self.j)",
            f"j(inputs): {NEXT_END}",
            END,
        ),
        "exactly one step",
        "self.next(self.a, self.b, foreach='x')",
        (
            "start: self.next(self.a, self.b)",
            "a: self.next(self.j)",
            "b: self.next(self.j)",
            f"j(inputs): {NEXT_END}",
            END,
        ),
    ),
    pair(
        "FS207",
        chain("a: self.next(self.end, condition='c')"),
        "dict of cases",
        "self.next(self.end, condition='c')",
        chain(f"a: {NEXT_END}"),
    ),
    Pair(
        "FS207",
        flow_text(*switch("1: self.a, 2: self.b")).replace(", condition='c'", ""),
        "needs condition=",
        "self.next({1: self.a, 2: self.b})",
        flow_text(*switch("1: self.a, 2: self.b")),
    ),
    Pair(
        "FS207",
        flow_text(*switch("1: self.a, 2: self.b")).replace("='c'", "='c', foreach='c'"),
        "at once",
        "self.next({1: self.a, 2: self.b}, condition='c', foreach='c')",
        flow_text(*switch("1: self.a, 2: self.b")),
    ),
    pair(
        "FS208",
        ("start: self.next(self.a, num_parallel=2)", "a: self.next(self.j)", f"j(inputs): {NEXT_END}", END),
        "num_parallel= isn't supported yet",
        "self.next(self.a, num_parallel=2)",
        ("start: self.x = [1] ; self.next(self.a, foreach='x')", "a: self.next(self.j)", f"j(inputs): {NEXT_END}", END),
    ),
    pair(
        "FS209",
        chain("a: self.next(self.b, self.b)", f"b: {NEXT_END}"),
        "named twice",
        "self.b",
        chain("a: self.next(self.b)", f"b: {NEXT_END}"),
    ),
    pair(
        "FS210",
        chain("a: self.next({'x': self.end}, condition='c')"),
        "at least two",
        "self.next({'x': self.end}, condition='c')",
        switch("'x': self.a, 'y': self.b"),
    ),
    pair("FS211", switch("None: self.a, 'y': self.b"), "None can't be", "None", switch("True: self.a, False: self.b")),
    pair(
        "FS211",
        switch("KEY: self.a, 'y': self.b"),
        "KEY can't be",
        "KEY",
        switch("-1: self.a, 2.5: self.b"),
        body="KEY = 'x'",
    ),
    pair("FS211", switch("1e999: self.a, 'y': self.b"), "can't be", "1e999", switch("1e99: self.a, 'y': self.b")),
    pair(
        "FS212",
        switch("1: self.a, True: self.b"),
        "Python takes it for equal",
        "self.b",
        switch("1: self.a, 0: self.b"),
    ),
    pair("FS212", switch("'x': self.a, 'x': self.b"), "is there twice", "self.b", switch("'x': self.a, 'X': self.b")),
]
