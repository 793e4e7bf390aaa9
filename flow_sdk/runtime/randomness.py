"""Random numbers in forked tasks, as they would be in processes of their own.

A forked child has its parent's generators. Each task must draw numbers of its own, as a fresh process does, unless the
flow file seeds a generator when it is imported: then every task begins with that state, as a fresh process does, too.
"""

import re
import sys
from typing import Any

__all__ = ["keeps_seed", "own_randomness", "random_state"]

_SEEDS = re.compile(rb"^[A-Za-z_][\w.]*\.seed\(|^(?:from random import .*\bseed\b)", re.MULTILINE)


def keeps_seed(path: str) -> bool:
    """Tell whether a flow file seeds a generator at its top level (``random.seed(1)``, ``np.random.seed(1)``)."""
    with open(path, "rb") as file:
        return _SEEDS.search(file.read()) is not None


def random_state() -> Any:
    """The state of Python's generator, if the flow has imported it; Python itself reseeds it in a forked child."""
    module = sys.modules.get("random")
    return module.getstate() if module is not None else None


def own_randomness(keep: bool, state: Any) -> None:
    """Set up the generators of a forked child.

    Parameters
    ----------
    keep : bool
        Whether the flow file seeds them itself.
    state : object
        As :func:`random_state` gave it before the fork.
    """
    if keep:
        module = sys.modules.get("random")
        if module is not None and state is not None:
            module.setstate(state)
        return
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
