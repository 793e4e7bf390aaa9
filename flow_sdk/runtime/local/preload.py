"""Importing installed modules before tasks are forked, so that not each task pays for it.

The user's own modules are not among them: each task executes these. What is imported is what the program imports before
anything else (:mod:`flow_sdk.runtime.local.early_imports`) and what the process that started the run has loaded.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flow_sdk.runtime.local.import_leftovers import Leftovers
from flow_sdk.runtime.task.module_origins import is_installed, module_origin

__all__ = ["AND_LATER", "Excluded", "preload_modules"]

CHANGES_OTHERS = ("gevent.monkey", "eventlet.patcher")
"""Modules that change others, which therefore mustn't be loaded before them."""

AND_LATER = " and later"
"""What follows the name of a module that isn't to be imported, nor any that the program imports after it."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A package that can't be imported before the fork.

    Parameters
    ----------
    name : str
        The module.
    reason : str
        Why; follows "importing it".
    changes_others : bool
        Whether packages that are imported after it may depend on that.
    """

    name: str
    reason: str
    changes_others: bool = False


def preload_modules(
    names: Iterable[str], loaded: dict[str, str], excluded: set[str]
) -> tuple[Excluded | None, list[Any]]:
    """Import modules, until one leaves something behind that can't be forked.

    Parameters
    ----------
    names : iterable of str
        What the program imports, in its order.
    loaded : dict
        Origins of the installed modules that the process which started the run has loaded, by name.
    excluded : set of str
        Modules that aren't to be imported; with :data:`AND_LATER`, those that follow aren't either.

    Returns
    -------
    (Excluded or None, list)
        The module after whose import this process can't be forked any more, None when it can; and the random generators
        that are to be seeded again in each forked process.
    """
    if any(name in loaded for name in CHANGES_OTHERS):
        return None, []
    with Leftovers() as leftovers:
        for name in dict.fromkeys(names):
            if f"{name}{AND_LATER}" in excluded:
                break
            if name not in loaded or name in sys.modules or _is_excluded(name, excluded):
                continue
            before = set(sys.modules)
            reason = _import_module(name, loaded)
            if len(sys.modules) != len(before):
                reason = reason or _find_foreign(before, loaded) or leftovers.describe_found()
            if reason is not None:
                return Excluded(name, reason, leftovers.changes_others()), []
    return None, leftovers.generators


def _is_excluded(name: str, excluded: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[: count + 1]) in excluded for count in range(len(parts)))


def _import_module(name: str, loaded: dict[str, str]) -> str | None:
    """Import a module if it is the same one here; returns why its import can't be relied upon."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin == loaded[name]:
            importlib.import_module(name)
    except ModuleNotFoundError:
        pass  # the flow changes sys.path before it imports it, and so will the task
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a package raises here, the task is to see it and not we
        return f"fails outside of the flow ({type(error).__name__}: {str(error)[:200]})"
    return None


def _find_foreign(before: set[str], loaded: dict[str, str]) -> str | None:
    """Return what an import loaded of the user's modules, or of others than the flow has under their names."""
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if not hasattr(module, "__dict__"):
            continue
        if not is_installed(module):
            return f"imports your module {name}"
        origin = module_origin(module)
        if name in loaded and origin is not None and origin != loaded[name]:
            return f"imports {name} from {origin}, and the flow from {loaded[name]}"
    return None
