"""A large array as an artifact: what saving and loading it takes, in time and memory.

Measured from the user's side: from the last line of the step that made the array to the first line of the next one,
less the same with a small array; and at the first use of the array there.
"""

import json

from benchmarks.side import Row, Side

__all__ = ["MEBIBYTES", "artifact_rows"]

MEBIBYTES = 512

FLOW = """
import json, os, time
import numpy
from PACKAGE import FlowSpec, step


def note(**facts):
    with open("notes.json", "a") as file:
        file.write(json.dumps(facts) + "\\n")


class Large(FlowSpec):
    @step
    def start(self):
        self.array = numpy.random.default_rng(0).random(int(os.environ["FLOATS"]))
        note(made=time.time())
        self.next(self.end)

    @step
    def end(self):
        stored = time.time()
        first = time.perf_counter()
        assert self.array[0] < 1
        note(stored=stored, load=time.perf_counter() - first)


if __name__ == "__main__":
    Large()
"""

# The largest process of all that a command starts is what its resource usage tells.
MEASURE = """
import json, os, resource, subprocess, sys
os.environ["FLOATS"] = sys.argv[1]
subprocess.run([sys.executable, "large.py", "run"], check=True)
with open("notes.json", "a") as file:
    file.write(json.dumps({"peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}) + "\\n")
"""


def artifact_rows(ours: Side, peer: Side) -> list[Row]:
    """Measure a run that hands a large array from one step to the next.

    Parameters
    ----------
    ours, peer : Side
        The two sides.
    """
    found = []
    for side in (ours, peer):
        side.flow("large.py", FLOW)
        side.flow("measure.py", MEASURE)
        empty, full = _notes(side, 1000), _notes(side, MEBIBYTES << 17)
        save = (full["stored"] - full["made"]) - (empty["stored"] - empty["made"])
        found.append((save, full["load"], full["peak"]))
    size = f"{MEBIBYTES} MB array"
    promised = (12.0, 4.0, 0.0)
    words = (f"save a {size}", f"load a {size}", f"memory for it, the {size} included")
    scales = ((1.0, "s"), (1.0, "s"), (2.0**20, "MB"))
    return [
        Row(what, one / scale, other / scale, wanted, unit)
        for what, one, other, wanted, (scale, unit) in zip(words, *found, promised, scales, strict=True)
    ]


def _notes(side: Side, floats: int) -> dict[str, float]:
    notes = side.folder / "notes.json"
    notes.unlink(missing_ok=True)
    side.seconds(["measure.py", str(floats)])
    facts: dict[str, float] = {}
    for line in notes.read_text(encoding="utf-8").splitlines():
        facts |= json.loads(line)
    return facts
