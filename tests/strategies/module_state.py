"""Random flows whose module makes things when it is imported: generators, folders, threads, connections, open files.

Every step gets two artifacts. ``same`` is determined by the text, so it is equal wherever the flow runs. ``own`` holds
values that each process makes for itself, so no two tasks of a run have one in common.
"""

import dataclasses
import random
import re

from tests.strategies.flows import FlowSource

__all__ = ["OWN", "repeated_values", "with_module_state"]

OWN = "own"
"""The artifact that differs from task to task."""

OWN_PARTS = {
    "generator": ("import random\nGENERATOR = random.Random()", "GENERATOR.random()"),
    "name": ("import uuid\nNAME = uuid.uuid4().hex", "NAME"),
    "token": ("import secrets\nTOKEN = secrets.token_hex(8)", "TOKEN"),
    "folder": ("import tempfile\nFOLDER = tempfile.TemporaryDirectory()", "FOLDER.name"),
    "global": ("import random as drawing", "drawing.getrandbits(64)"),
    "at import": ("import random as drawn\nDRAWN = drawn.getrandbits(64)", "DRAWN"),
    "system": ("import random as systems\nSYSTEM = systems.SystemRandom()", "SYSTEM.getrandbits(64)"),
}

SAME_PARTS = {
    "rows": ("ROWS = open(__file__, 'rb')\nFIRST = ROWS.readline()", "sum(1 for _ in ROWS)"),
    "pool": (
        "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(2)\nlist(POOL.map(abs, [-1, 2]))",
        "list(POOL.map(abs, [-3, 4]))",
    ),
    "queue": (
        "import queue, threading\nASKED, TOLD = queue.Queue(), queue.Queue()\n"
        "def double():\n    while True:\n        TOLD.put(2 * ASKED.get())\n"
        "threading.Thread(target=double, daemon=True).start()",
        "[ASKED.put(21), TOLD.get(timeout=30)][1]",
    ),
    "database": (
        "import sqlite3\nDATABASE = sqlite3.connect(':memory:', check_same_thread=False)\n"
        "DATABASE.execute('create table numbers(n)')\nDATABASE.execute('insert into numbers values(1)')",
        "[DATABASE.execute('insert into numbers values(2)'), "
        "DATABASE.execute('select sum(n) from numbers').fetchone()[0]][1]",
    ),
    "seeded": ("import random as seeding\nSEEDED = seeding.Random(5)", "SEEDED.random()"),
    "count": ("COUNTED = []", "[COUNTED.append(1), len(COUNTED)][1]"),
    "socket": (
        "import socket\nLEFT, RIGHT = socket.socketpair()",
        "[LEFT.sendall(b'asked'), RIGHT.recv(100)][1]",
    ),
    "lock": ("import threading as locking\nLOCK = locking.Lock()", "[LOCK.acquire(timeout=30), LOCK.release()][0]"),
}


def with_module_state(source: FlowSource, seed: int) -> FlowSource:
    """Give a random flow module-level state.

    Parameters
    ----------
    source : FlowSource
        The flow.
    seed : int
        Chooses what its module makes.
    """
    rng = random.Random(seed)
    own = dict(rng.sample(sorted(OWN_PARTS.items()), rng.randint(3, len(OWN_PARTS))))
    same = dict(rng.sample(sorted(SAME_PARTS.items()), rng.randint(3, len(SAME_PARTS))))
    made = [code for code, _ in (*own.values(), *same.values())]
    rng.shuffle(made)
    functions = [
        f"def {name}():\n    return {{{', '.join(f'{part!r}: {value}' for part, (_, value) in parts.items())}}}\n"
        for name, parts in (("make_own", own), ("make_same", same))
    ]
    head, _, rest = source.text.partition("\n\n\n")
    lines = "        self.own, self.same = make_own(), make_same()\n"
    rest = re.sub(r"(    @step[^\n]*\n    def \w+\(self(?:, inputs)?\):\n)", rf"\1{lines}", rest)
    text = "\n".join((head, *made, "\n", *functions)) + "\n\n" + rest
    return dataclasses.replace(source, text=text)


def repeated_values(tasks: list[dict[str, object]]) -> dict[str, list[object]]:
    """Find what two tasks have in common, in what they were to make for themselves.

    Parameters
    ----------
    tasks : list of dict
        The artifact ``own`` of every task of a run.
    """
    found = {}
    for name in tasks[0]:
        values = [task[name] for task in tasks]
        again = [value for value in values if values.count(value) > 1]
        if again:
            found[name] = again
    return found
