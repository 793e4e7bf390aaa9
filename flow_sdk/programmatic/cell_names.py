"""Names that a flow file made of a notebook's cell uses and doesn't define."""

import builtins
import symtable
from collections.abc import Container, Iterator, Mapping
from typing import Any

__all__ = ["missing_names"]


def missing_names(text: str, flow: str, scope: Mapping[str, Any], ignored: Container[str] = ()) -> list[str]:
    """Return the names that a flow file needs and doesn't define.

    Parameters
    ----------
    text : str
        The flow file.
    flow : str
        Name of the flow's class in it.
    scope : mapping
        The global names of the notebook. A name that only a function body uses is missing where the notebook has it;
        elsewhere the function may never be called.
    ignored : container of str
        Names that function bodies may use all the same, as they belong to the notebook.

    Returns
    -------
    list of str
        In alphabetical order. None where a star import may define anything.
    """
    if "*" in text and any(line.split("#")[0].rstrip().endswith("import *") for line in text.splitlines()):
        return []
    module = symtable.symtable(text, "cell", "exec")
    defined = {
        one.get_name() for table in _nested_scopes(module) for one in table.get_symbols() if _is_defined(table, one)
    }
    defined |= set(vars(builtins))
    missing: set[str] = set()
    for table in _import_scopes(module):
        missing |= _globals_used(table) - defined
    for table in _flow_scopes(module, flow):
        missing |= {name for name in _globals_used(table) - defined if name in scope and name not in ignored}
    return sorted(name for name in missing if not (name.startswith("__") and name.endswith("__")))


def _nested_scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield a scope and all scopes in it."""
    yield table
    for child in table.get_children():
        yield from _nested_scopes(child)


def _is_defined(table: symtable.SymbolTable, symbol: symtable.Symbol) -> bool:
    """Return whether a scope gives a global name its value."""
    is_set = symbol.is_assigned() or symbol.is_imported()
    return is_set and (table.get_type() == "module" or symbol.is_declared_global())


def _globals_used(table: symtable.SymbolTable) -> set[str]:
    in_module = table.get_type() == "module"
    return {one.get_name() for one in table.get_symbols() if one.is_referenced() and (in_module or one.is_global())}


def _import_scopes(module: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield the scopes whose statements are executed when the file is imported: the module's and those of classes."""
    yield module
    for child in module.get_children():
        if child.get_type() == "class":
            yield from _import_scopes(child)


def _flow_scopes(module: symtable.SymbolTable, flow: str) -> Iterator[symtable.SymbolTable]:
    """Yield the scopes of the flow's class, and of the functions and classes of the file that it uses."""
    known = {child.get_name(): child for child in module.get_children()}
    wanted, seen = [flow], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        for table in _nested_scopes(known[name]):
            wanted += _globals_used(table)
            yield table
