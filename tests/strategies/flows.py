"""Random valid flows as source text, whose every artifact is determined by the text alone.

The same text gives the same artifacts wherever it runs, so hashes can be compared between targets.
``flow_source(seed)`` makes one from a number; ``flow_sources()`` is the hypothesis strategy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

MODULUS = 9973
CASES: tuple[tuple[str, ...], ...] = (
    ("'x'", "'y'", "'z'"),
    ("0", "1", "2"),
    ("True", "False"),
    ("-1", "2.5", "10"),
    ("'it\\'s'", "'ü {{ x }}'", "''"),
)
ITEMS = (
    "[self.n + k for k in range({count})]",
    "[self.s[-2:] + str(k) for k in range({count})]",
    "tuple((k, self.n % 7) for k in range({count}))",
    "{{'key' + str(k): k * 2 for k in range({count})}}",
    "range({count})",
)


@dataclass(frozen=True)
class FlowSource:
    """One generated flow.

    Parameters
    ----------
    text : str
        The flow file.
    name : str
        The flow's name.
    steps : int
        Number of steps.
    tasks : int
        No run of it has more tasks.
    shapes : frozenset of str
        What it holds: split, foreach, nested foreach, switch, direct case, loop, join and split, ...
    """

    text: str
    name: str
    steps: int
    tasks: int
    shapes: frozenset[str]

    def write(self, folder: Path) -> Path:
        """Write the flow file into a folder."""
        path = folder / f"{self.name.lower()}.py"
        path.write_text(self.text, encoding="utf-8")
        return path


@dataclass(frozen=True)
class Limits:
    """What a generated flow may hold."""

    max_steps: int = 14
    max_tasks: int = 36
    max_depth: int = 3
    allow_splits: bool = True
    allow_foreach: bool = True
    allow_switches: bool = True
    allow_loops: bool = True
    allow_while: bool = True
    """Loops whose back edge comes from an ordinary step, the switch being at the loop's entry."""
    allow_fused: bool = True
    """Joins that split, switch or end the flow themselves."""


def flow_source(seed: int, name: str = "Generated", **limits: int | bool) -> FlowSource:
    """Make one flow from a seed; the keywords are those of :class:`Limits`."""
    return _Builder(random.Random(seed), Limits(**limits), name).build()  # type: ignore[arg-type]


def flow_sources(name: str = "Generated", **limits: int | bool) -> st.SearchStrategy[FlowSource]:
    """Hypothesis strategy for flows; the keywords are those of :class:`Limits`."""
    wanted = Limits(**limits)  # type: ignore[arg-type]
    return st.randoms(use_true_random=False).map(lambda rng: _Builder(rng, wanted, name).build())


@dataclass(eq=False)
class _Step:
    name: str
    times: int
    is_join: bool = False
    lines: list[str] = field(default_factory=list)
    kind: str = "linear"
    targets: dict[str, _Step] = field(default_factory=dict)
    """Target by slot: the case for a switch, a number otherwise."""
    artifact: str = ""
    marks: str = ""
    doc: str = ""

    def transition(self) -> list[str]:
        if not self.targets:
            return []
        if self.kind == "switch":
            cases = ", ".join(f"{value}: self.{target.name}" for value, target in self.targets.items())
            return [f"self.next({{{cases}}}, condition='{self.artifact}')"]
        steps = ", ".join(f"self.{target.name}" for target in self.targets.values())
        return [f"self.next({steps}, foreach='{self.artifact}')" if self.kind == "foreach" else f"self.next({steps})"]

    def text(self) -> str:
        head = [f"@step{self.marks}", f"def {self.name}(self{', inputs' if self.is_join else ''}):"]
        doc = [f'"""{self.doc}"""'] if self.doc else []
        body = ["    " + line for line in (*doc, *self.lines, *self.transition())]
        return "\n".join("    " + line for line in head + (body or ["    pass"])) + "\n"


@dataclass(frozen=True, eq=False)
class _End:
    """A transition whose target isn't known yet."""

    step: _Step
    slot: str

    @property
    def is_plain(self) -> bool:
        return self.step.kind == "linear"


Ends = list[_End]


class _Builder:
    def __init__(self, rng: random.Random, limits: Limits, name: str) -> None:
        self.rng = rng
        self.limits = limits
        self.name = name
        self.steps: list[_Step] = []
        self.steps_left = limits.max_steps
        self.tasks_left = limits.max_tasks
        self.counters: list[str] = []
        """Counters of the loops that are open."""
        self.volatile: list[str] = []
        """Artifacts that may differ between the inputs of a join."""
        self.foreaches = 0
        """How many foreaches are open."""
        self.shapes: set[str] = set()
        self.number = 0

    def build(self) -> FlowSource:
        self.pay(2, 2)
        start = self.step(1, paid=True)
        start.lines += ["self.n = self.base", "self.s = 'start'", "self.xs = [1, 2]", "self.f = 0.5", "self.d = {}"]
        start.lines += ["self.kept = {'never': ['changed', self.base]}"]
        ends = self.sequence([_End(start, "0")], 1, 0)
        last = self.reused(ends) if self.limits.allow_fused else None
        if last is None or last is start:
            last = self.plain(ends, 1, paid=True)
        elif last.is_join:
            self.shapes.add("join and end")
        self.name_ends(start, last)
        order = [start, *self.steps[1:]]
        if self.rng.random() < 0.5:
            self.rng.shuffle(order)
        used = self.limits.max_tasks - self.tasks_left
        return FlowSource(self.text(order), self.name, len(self.steps), used, frozenset(self.shapes))

    def text(self, order: list[_Step]) -> str:
        body = "\n".join(step.text() for step in order)
        base = self.rng.randint(1, 99)
        return (
            f'from flow_sdk import FlowSpec, step\n\n\nclass {self.name}(FlowSpec):\n    """Made by a generator."""\n\n'
            f'    base = {base}\n\n{body}\n\nif __name__ == "__main__":\n    {self.name}()\n'
        )

    def name_ends(self, start: _Step, last: _Step) -> None:
        if self.rng.random() < 0.15:
            start.marks, last.marks = "(start=True)", "(end=True)"
            self.shapes.add("marked ends")
        else:
            start.name, last.name = "start", "end"

    # Steps

    def pay(self, steps: int, tasks: int) -> None:
        self.steps_left -= steps
        self.tasks_left -= tasks

    def affords(self, steps: int, tasks: int) -> bool:
        return self.steps_left >= steps and self.tasks_left >= tasks

    def unique(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def step(self, times: int, *, paid: bool = False) -> _Step:
        if not paid:
            self.pay(1, times)
        made = _Step(self.unique(self.rng.choice(("a", "fit_", "zz", "m_x_"))), times)
        if self.rng.random() < 0.2:
            made.doc = f"Step {made.name}."
        self.steps.append(made)
        return made

    def plain(self, ends: Ends, times: int, *, paid: bool = False) -> _Step:
        """Make an ordinary step that all of ``ends`` lead to, and that computes something."""
        made = self.step(times, paid=paid)
        self.connect(ends, made)
        made.lines += self.work(made)
        return made

    def connect(self, ends: Ends, target: _Step) -> None:
        for end in ends:
            end.step.targets[end.slot] = target

    def reused(self, ends: Ends) -> _Step | None:
        """The one ordinary step that ``ends`` come from, when it can be used for more."""
        if len(ends) == 1 and ends[0].is_plain and (self.limits.allow_fused or not ends[0].step.is_join):
            return ends[0].step
        return None

    def opener(self, ends: Ends, times: int) -> _Step:
        """A step to hang a split, foreach or switch on."""
        found = self.reused(ends)
        if found is not None and (self.rng.random() < 0.6 or not self.affords(1, times)):
            if found.is_join:
                self.shapes.add("join and split")
            return found
        return self.plain(ends, times)

    def work(self, made: _Step) -> list[str]:
        number = self.rng.randint(1, 50)
        lines = [
            f"self.n = (self.n * {self.rng.randint(2, 9)} + {number}) % {MODULUS}",
            f"self.s = (self.s + '{self.rng.choice('abcé')}' + str(self.n % 10))[-24:]",
            "self.xs = (self.xs + [self.n])[-6:]",
            "self.xs.append(self.n % 100); del self.xs[:-6]",
            f"self.f = self.f / 3 + self.n * {number / 10}",
            f"self.d = {{**self.d, '{made.name}': [self.n, self.s[-1:]]}}",
        ]
        if self.foreaches:
            lines += [
                f"self.s = (self.s + repr(self.input)[-8:])[-24:]; self.n = (self.n + self.index + 1) % {MODULUS}",
                "self.xs = [index for index, _, _ in self.foreach_stack()] + self.xs[-3:]",
            ]
        return self.rng.sample(lines, self.rng.randint(1, 3))

    # Items

    def sequence(self, ends: Ends, times: int, depth: int, *, first: bool = False) -> Ends:
        """Append a few items to ``ends``. With ``first``, at least one, for which one step is already paid."""
        if first:
            self.pay(-1, -times)
            ends = self.item(ends, times, depth, must=True)
        for _ in range(self.rng.randint(0 if depth else 1, 2 if depth else 3)):
            ends = self.item(ends, times, depth)
        return ends

    def item(self, ends: Ends, times: int, depth: int, *, must: bool = False) -> Ends:
        allowed, deep = self.limits, depth < self.limits.max_depth
        makers: list[tuple[Callable[[Ends, int, int], Ends], bool]] = [
            (self.split, allowed.allow_splits and deep and self.affords(4, 4 * times)),
            (self.foreach, allowed.allow_foreach and deep and self.affords(3, 4 * times)),
            (self.switch, allowed.allow_switches and deep and self.affords(3, 3 * times)),
            (self.loop, allowed.allow_loops and deep and self.affords(4, 7 * times)),
        ]
        chosen = [maker for maker, possible in makers if possible]
        if chosen and self.rng.random() < 0.75:
            return self.rng.choice(chosen)(ends, times, depth + 1)
        if must or self.affords(1, times):
            return [_End(self.plain(ends, times), "0")]
        return ends

    def split(self, ends: Ends, times: int, depth: int) -> Ends:
        self.pay(3, 3 * times)
        opener = self.opener(ends, times)
        opener.kind = "split"
        count = 3 if self.affords(2, 2 * times) and self.rng.random() < 0.3 else 2
        self.pay(count - 2, (count - 2) * times)
        self.shapes.add("nested split" if depth > 1 else "split")
        branches = [self.sequence([_End(opener, str(k))], times, depth, first=True) for k in range(count)]
        join = self.join(branches, times)
        if all(len(branch) == 1 for branch in branches) and self.rng.random() < 0.4:
            lasts = [branch[0].step.name for branch in branches]
            join.lines.append(f"self.picked = [{', '.join(f'inputs.{last}.n' for last in lasts)}]")
            self.shapes.add("inputs by name")
        return [_End(join, "0")]

    def foreach(self, ends: Ends, times: int, depth: int) -> Ends:
        self.pay(2, 3 * times)
        opener = self.opener(ends, times)
        most = 3 if self.affords(0, times) else 2
        count = self.rng.randint(1, most)
        self.pay(0, (count - 2) * times)
        opener.kind, opener.artifact = "foreach", self.unique("items")
        opener.lines.append(f"self.{opener.artifact} = " + self.rng.choice(ITEMS).format(count=count))
        self.volatile.append(opener.artifact)
        self.shapes.add("nested foreach" if self.foreaches else "foreach")
        self.foreaches += 1
        body = self.sequence([_End(opener, "0")], times * count, depth, first=True)
        self.foreaches -= 1
        return [_End(self.join([body], times), "0")]

    def join(self, branches: list[Ends], times: int) -> _Step:
        made = self.step(times, paid=True)
        made.is_join = True
        ends = [end for branch in branches for end in branch]
        self.connect(ends, made)
        if any(end.step.kind == "switch" for end in ends):
            self.shapes.add("case to join")
        made.lines += [
            f"self.n = sum((k + 1) * each.n for k, each in enumerate(inputs)) % {MODULUS}",
            "self.s = ''.join(each.s[-4:] for each in inputs)[-24:]",
            "self.xs = [x for each in inputs for x in each.xs][-6:]",
            "self.f = sum(each.f for each in inputs) / len(inputs)",
            "self.d = {str(k): each.n for k, each in enumerate(inputs)}",
        ]
        carried = ["kept", *self.counters]
        style = self.rng.randrange(3)
        if style == 0:
            made.lines += [f"self.{name} = inputs[0].{name}" for name in carried]
        elif style == 1:
            made.lines.append(f"self.merge_artifacts(inputs, include={carried!r})")
            self.shapes.add("merge include")
        else:
            left_out = sorted({"picked", *self.volatile} - set(self.counters))
            made.lines.append(f"self.merge_artifacts(inputs, exclude={left_out!r})")
            self.shapes.add("merge exclude")
        return made

    def switch(self, ends: Ends, times: int, depth: int) -> Ends:
        self.pay(1, times)
        opener = self.opener(ends, times)
        known = self.rng.choice(CASES)
        values = known[: self.rng.randint(2, len(known))]
        self.decide(opener, f"[{', '.join(values)}][self.n % {len(values)}]")
        self.shapes.add(f"switch on {values[0]}")
        out: Ends = []
        for number, value in enumerate(values):
            slot = _End(opener, value)
            if number == 0:
                out += self.sequence([slot], times, depth, first=True)
            elif self.affords(1, times) and self.rng.random() < 0.6:
                self.pay(1, times)
                out += self.sequence([slot], times, depth, first=True)
            else:
                self.shapes.add("direct case")
                out.append(slot)
        return out

    def decide(self, opener: _Step, expression: str) -> None:
        """Turn a step into a switch over the value of an expression."""
        opener.kind, opener.artifact = "switch", self.unique("choice")
        opener.lines.append(f"self.{opener.artifact} = {expression}")
        self.volatile.append(opener.artifact)

    def loop(self, ends: Ends, times: int, depth: int) -> Ends:
        """A loop of at most ``passes`` passes, counted by its entry."""
        passes = 2
        self.pay(2, 2 * passes * times)
        before = self.opener(ends, times)
        counter = self.unique("k")
        before.lines.append(f"self.{counter} = 0")
        self.volatile.append(counter)
        self.counters.append(counter)
        entry = self.plain([_End(before, "0")], times * passes, paid=True)
        entry.lines.insert(0, f"self.{counter} += 1")
        more = f"self.{counter} < {passes}" + (" - self.n % 2" if self.rng.random() < 0.3 else "")
        styles = ["self", "tail", "break"] + (["head", "continue"] if self.limits.allow_while else [])
        style = self.rng.choice(styles)
        self.shapes.add(f"loop {style}")
        if self.foreaches:
            self.shapes.add("loop in foreach")
        if len(self.counters) > 1:
            self.shapes.add("nested loop")
        if style == "self":
            self.pay(-1, -passes * times)
        out = getattr(self, f"loop_{style}")(entry, more, times * passes, depth)
        self.counters.pop()
        return out  # type: ignore[no-any-return]

    def loop_self(self, entry: _Step, more: str, times: int, depth: int) -> Ends:
        self.decide(entry, f"'again' if {more} else 'done'")
        self.connect([_End(entry, "'again'")], entry)
        return [_End(entry, "'done'")]

    def loop_tail(self, entry: _Step, more: str, times: int, depth: int) -> Ends:
        ends = self.sequence([_End(entry, "0")], times, depth)
        last = self.plain(ends, times, paid=True)
        self.decide(last, f"bool({more})")
        self.connect([_End(last, "True")], entry)
        return [_End(last, "False")]

    def loop_head(self, entry: _Step, more: str, times: int, depth: int) -> Ends:
        self.decide(entry, f"1 if {more} else 0")
        self.connect(self.sequence([_End(entry, "1")], times, depth, first=True), entry)
        return [_End(entry, "0")]

    def loop_break(self, entry: _Step, more: str, times: int, depth: int) -> Ends:
        self.decide(entry, "'stop' if self.n % 5 == 0 else 'on'")
        last = self.plain([_End(entry, "'on'")], times, paid=True)
        self.decide(last, f"'again' if {more} else 'done'")
        self.connect([_End(last, "'again'")], entry)
        return [_End(entry, "'stop'"), _End(last, "'done'")]

    def loop_continue(self, entry: _Step, more: str, times: int, depth: int) -> Ends:
        """Two ways back: straight from the switch, and through one more step."""
        self.decide(entry, f"'done' if not {more} else 'again' if self.n % 2 else 'more'")
        self.connect([_End(entry, "'again'")], entry)
        self.connect([_End(self.plain([_End(entry, "'more'")], times, paid=True), "0")], entry)
        return [_End(entry, "'done'")]
