"""Pairs for the rules about splits, loops, decorators and parameters."""

from __future__ import annotations

from tests.strategies.loading import flow_text
from tests.unit.lint.pairs import END, NEXT_END, Pair, chain, pair

FOREACH = "start: self.x = [1] ; self.next(self.a, foreach='x')"
SPLIT = "start: self.next(self.a, self.b)"
TO_J = ("a: self.next(self.j)", "b: self.next(self.j)")
JOIN = f"j(inputs): {NEXT_END}"
BALANCED = (SPLIT, *TO_J, JOIN, END)

SPLITS = [
    pair("FS301", chain(f"a: {NEXT_END}", f"b: {NEXT_END}"), "from the start to 'b'", "b", chain(f"a: {NEXT_END}")),
    pair("FS302", chain(f"a(inputs): {NEXT_END}"), "no split or foreach is open", "a", chain(f"a: {NEXT_END}")),
    pair(
        "FS302",
        (
            "start: self.c = 1 ; self.next({1: self.s, 2: self.j}, condition='c')",
            "s: self.next(self.a, self.b)",
            *TO_J,
            JOIN,
            END,
        ),
        "'start' isn't in one",
        "self.j",
        BALANCED,
    ),
    pair("FS303", (SPLIT, *TO_J, f"j: {NEXT_END}", END), "from different branches of 'start'", "j", BALANCED),
    pair(
        "FS303",
        (
            "start: self.c = 1 ; self.next({1: self.f, 2: self.end}, condition='c')",
            "f: self.x = [1] ; self.next(self.a, foreach='x')",
            f"a: {NEXT_END}",
            END,
        ),
        "isn't joined yet",
        "self.end",
        (
            "start: self.c = 1 ; self.next({1: self.f, 2: self.end}, condition='c')",
            "f: self.x = [1] ; self.next(self.a, foreach='x')",
            "a: self.next(self.j)",
            JOIN,
            END,
        ),
    ),
    pair(
        "FS304",
        (FOREACH, f"a: {NEXT_END}", END),
        "before the foreach of 'start' is joined",
        "self.next(self.a, foreach='x')",
        (FOREACH, "a: self.next(self.j)", JOIN, END),
    ),
    pair(
        "FS305",
        (FOREACH.replace("self.a,", "self.j,"), JOIN, END),
        "leads straight to the join",
        "self.j",
        (FOREACH, "a: self.next(self.j)", JOIN, END),
    ),
    pair(
        "FS305",
        ("start: self.next(self.a, self.j)", "a: self.next(self.j)", JOIN, END),
        "leads straight to the join",
        "self.j",
        BALANCED,
    ),
    pair(
        "FS306",
        (
            SPLIT,
            "a: self.x = [1] ; self.next(self.c, foreach='x')",
            "c: self.next(self.j)",
            "b: self.next(self.j)",
            JOIN,
            END,
        ),
        "the split of 'a' isn't joined yet at 'c'",
        "self.j",
        (
            SPLIT,
            "a: self.x = [1] ; self.next(self.c, foreach='x')",
            "c: self.next(self.i)",
            "i(inputs): self.next(self.j)",
            "b: self.next(self.j)",
            JOIN,
            END,
        ),
    ),
    pair(
        "FS306",
        (
            "start: self.c = 1 ; self.next({1: self.f, 2: self.g}, condition='c')",
            "f: self.x = [1] ; self.next(self.a, foreach='x')",
            "g: self.x = [1] ; self.next(self.b, foreach='x')",
            *TO_J,
            JOIN,
            END,
        ),
        "from two splits",
        "self.j",
        (
            "start: self.c = 1 ; self.next({1: self.f, 2: self.end}, condition='c')",
            "f: self.x = [1] ; self.next(self.a, foreach='x')",
            "a: self.next(self.j)",
            JOIN,
            END,
        ),
    ),
    pair(
        "FS307",
        (
            "start: self.x = [1] ; self.next(self.s, foreach='x')",
            "s: self.c = 1 ; self.next({1: self.a, 2: self.b}, condition='c')",
            "a: self.next(self.j)",
            "b: self.next(self.k)",
            JOIN,
            f"k(inputs): {NEXT_END}",
            END,
        ),
        "joined by 'j' and by 'k'",
        "k",
        (
            "start: self.x = [1] ; self.next(self.s, foreach='x')",
            "s: self.c = 1 ; self.next({1: self.a, 2: self.j}, condition='c')",
            "a: self.next(self.j)",
            JOIN,
            END,
        ),
    ),
    pair(
        "FS307",
        (SPLIT, "a: self.next(self.j)", "b: self.next(self.k)", JOIN, f"k(inputs): {NEXT_END}", END),
        "joined by 'j' and by 'k'",
        "k",
        BALANCED,
    ),
]

AGAIN = "self.next({True: self.a, False: self.end}, condition='again')"
LOOPS = [
    pair(
        "FS401",
        chain("a: self.next(self.b)", "b: self.next(self.a)", f"c: {NEXT_END}"),
        "for ever",
        "a",
        chain("a: self.next(self.b)", f"b: self.again = False ; {AGAIN}"),
    ),
    pair(
        "FS402",
        (
            "start: self.c = 1 ; self.next({1: self.a, 2: self.b}, condition='c')",
            "a: self.next(self.b)",
            f"b: self.again = False ; {AGAIN}",
            END,
        ),
        "entered elsewhere too",
        "self.a",
        (
            "start: self.c = 1 ; self.next({1: self.a, 2: self.end}, condition='c')",
            "a: self.next(self.b)",
            f"b: self.again = False ; {AGAIN}",
            END,
        ),
    ),
    pair(
        "FS403",
        chain(
            "a: self.x = [1] ; self.next(self.b, foreach='x')",
            "b: self.c = 1 ; self.next({1: self.a, 2: self.j}, condition='c')",
            JOIN,
        ),
        "out of the split of 'a'",
        "self.a",
        chain(
            "a: self.x = [1] ; self.next(self.b, foreach='x')",
            "b: self.c = 1 ; self.next({1: self.b, 2: self.j}, condition='c')",
            JOIN,
        ),
    ),
    pair(
        "FS403",
        (
            FOREACH,
            "a: self.next(self.j)",
            "j(inputs): self.c = 1 ; self.next({1: self.a, 2: self.end}, condition='c')",
            END,
        ),
        "already joined",
        "self.a",
        (
            "start: self.next(self.s)",
            "s: self.x = [1] ; self.next(self.a, foreach='x')",
            "a: self.next(self.j)",
            "j(inputs): self.c = 1 ; self.next({1: self.s, 2: self.end}, condition='c')",
            END,
        ),
    ),
    pair(
        "FS404",
        (
            *BALANCED[:3],
            "j(inputs): self.next(self.k)",
            "k: self.c = 1 ; self.next({1: self.j, 2: self.end}, condition='c')",
            END,
        ),
        "which takes inputs",
        "self.j",
        (
            *BALANCED[:3],
            "j(inputs): self.next(self.k)",
            "k: self.c = 1 ; self.next({1: self.k, 2: self.end}, condition='c')",
            END,
        ),
    ),
    pair(
        "FS405",
        chain(
            "a: self.x = [1] ; self.next(self.b, foreach='x')",
            "b: self.c = 1 ; self.next({1: self.out, 2: self.j}, condition='c')",
            "j(inputs): self.c = 1 ; self.next({1: self.a, 2: self.out}, condition='c')",
            f"out: {NEXT_END}",
        ),
        "leaves the loop of 'a'",
        "self.out",
        chain(
            "a: self.x = [1] ; self.next(self.b, foreach='x')",
            "b: self.next(self.j)",
            "j(inputs): self.c = 1 ; self.next({1: self.a, 2: self.out}, condition='c')",
            f"out: {NEXT_END}",
        ),
    ),
]

OTHERS = [
    pair(
        "FS501",
        ("@catch\n" + FOREACH, "a: self.next(self.j)", JOIN, END),
        "its items",
        "catch",
        (FOREACH, "@catch\na: self.next(self.j)", JOIN, END),
    ),
    pair(
        "FS501",
        chain(f"@catch(var='e')\na: self.again = False ; {AGAIN}"),
        "its choice",
        "catch(var='e')",
        chain(f"@retry\na: self.again = False ; {AGAIN}"),
    ),
    Pair(
        "FS502",
        flow_text("@timeout(minutes=None)\nstart: pass"),
        "has no time",
        "timeout(minutes=None)",
        flow_text("@timeout(seconds=None, minutes=1)\nstart: pass"),
    ),
    Pair(
        "FS502",
        flow_text("start: pass").replace("class ", "@project(name=None)\nclass "),
        "@project has no name",
        "Small",
        flow_text("start: pass").replace("class ", "@project(name='p', branch=None)\nclass "),
    ),
    Pair(
        "FS601",
        flow_text("start: pass", body="x = Parameter('a-b')\ny = Parameter('A_b')"),
        "the same name",
        "y",
        flow_text("start: pass", body="x = Parameter('a-b')\ny = Parameter('a-c')"),
    ),
]
