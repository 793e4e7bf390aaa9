"""The random generators of modules that tasks share, as they are in a process of its own.

A forked process has its parent's generators. Those that a library makes when it is imported must differ from task to
task, as they do from process to process. What the user's code makes or seeds needs nothing: each task executes it.
"""

import gc
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

__all__ = ["GENERATORS", "renew_generators", "unused_numpy_generators"]

LARGEST_SEED = 80
"""Bits of a seed that a user may have chosen; the system gives 128."""


def _renew_numpy(module: Any) -> None:
    if hasattr(module, "set_bit_generator"):
        module.set_bit_generator(module.MT19937())
    else:
        module.seed()  # before NumPy 1.24


def _renew_torch(module: Any) -> None:
    generator = getattr(module, "default_generator", None)
    if generator is not None:
        generator.seed()


GENERATORS: dict[str, Callable[[Any], None]] = {"numpy.random": _renew_numpy, "torch": _renew_torch}
"""What renews the global generator of a module, by its name. Python itself does it for ``random``."""


def renew_generators(made: Sequence[Any] = (), modules: Mapping[str, ModuleType] | None = None) -> None:
    """Seed generators from the system's randomness.

    Parameters
    ----------
    made : sequence
        Generators of ``random`` and NumPy that modules made when they were imported.
    modules : mapping, optional
        The loaded modules by name, whose global generators are seeded; those of this process when not given.
    """
    loaded = sys.modules if modules is None else modules
    for name, renew in GENERATORS.items():
        module = loaded.get(name)
        if module is not None:
            renew(module)
    if not made:
        return
    import random

    for generator in made:
        if isinstance(generator, random.Random):
            generator.seed()
        elif hasattr(generator, "bit_generator"):
            generator.__init__(type(generator.bit_generator)())
        else:
            generator.__init__()


def unused_numpy_generators() -> list[Any]:
    """Find NumPy's generators in this process that the system has seeded and that weren't used yet.

    Returns
    -------
    list of numpy.random.Generator or numpy.random.RandomState
        Without the global one.
    """
    numpy_random: Any = sys.modules["numpy.random"]
    kinds = (numpy_random.Generator, numpy_random.RandomState)
    found = [each for each in gc.get_objects() if type(each) in kinds and each is not numpy_random.mtrand._rand]
    return [each for each in found if _is_unused(each)]


def _is_unused(generator: Any) -> bool:
    bits = getattr(generator, "bit_generator", None) or generator._bit_generator
    seeds: Any = getattr(bits, "seed_seq", None)
    entropy = getattr(seeds, "entropy", None)
    if not isinstance(entropy, int) or entropy.bit_length() <= LARGEST_SEED or seeds.n_children_spawned:
        return False
    return pickle.dumps(type(bits)(seeds).state) == pickle.dumps(bits.state)
