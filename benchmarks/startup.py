"""What a user waits for before anything happens: the import, and ``--help`` of a flow file."""

from benchmarks.side import Row, Side, median_seconds

__all__ = ["startup_rows"]

FLOW = """
from PACKAGE import FlowSpec, Parameter, step


class Tiny(FlowSpec):
    size = Parameter("size", default=3)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Tiny()
"""


def startup_rows(ours: Side, peer: Side) -> list[Row]:
    """Measure both, the start of the interpreter included.

    Parameters
    ----------
    ours, peer : Side
        The two sides.
    """
    imports = {  # the best of five: whatever else the machine does can only add
        side: min(side.seconds(["-c", f"from {side.package} import FlowSpec, Parameter, step"]) for _ in range(5))
        for side in (ours, peer)
    }
    for side in (ours, peer):
        side.flow("tiny.py", FLOW)
    help_ours, help_peer = median_seconds(ours, peer, ["tiny.py", "--help"], times=5)
    return [
        Row("import the package", imports[ours], imports[peer], 8),
        Row("python flow.py --help", help_ours, help_peer, 8),
    ]
