"""A store with one finished run in it, with artifacts of every size."""

import dataclasses
import random
import tempfile
from typing import Any

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.port import ObjectStore
from tests.support.in_process_runs import InProcessRun, load_source

__all__ = ["finished_run"]

SOURCE = """
from flow_sdk import FlowSpec, step


class Kept(FlowSpec):
    constant = "constant " * 500

    @step
    def start(self):
        self.small = "a few letters"
        self.medium = NOISE
        self.large = TEXT
        self.items = list(range(ITEMS))
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.got = [self.input]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.got for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def finished_run(
    store: ObjectStore, run: str = "1", *, items: int = 3, seed: int = 0, large: int = 0, **record: Any
) -> ObjectStore:
    """Run the flow ``Kept`` in this process to its end.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    run : str
        The run's id.
    items : int
        How many tasks its foreach has (>= 1).
    seed : int
        Runs with different ones have different artifacts ``medium`` and ``large``.
    large : int
        Bytes of the artifact ``large`` (0: 20,000), half of which can be compressed.
    record
        Fields of the run's record, such as ``tags``.
    """
    noise = random.Random(seed).randbytes(max(3000, large // 2))
    text = noise + b"a line of text " * max(1000, large // 30)
    with tempfile.TemporaryDirectory() as folder:
        source = SOURCE.replace("NOISE", repr(noise[:3000])).replace("ITEMS", str(items))
        flow = load_source(source, "Kept", folder)
        flow.start.__globals__["TEXT"] = text
        made = InProcessRun(flow, store=store, run=run)
        made.record = Runs(store).create(dataclasses.replace(made.record, **record))
        made.run()
    return store
