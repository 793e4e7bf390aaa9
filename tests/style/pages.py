"""Running the code blocks of a page, one after the other in one folder, as a reader would.

========================  ==========================================================================
```` ```python file=x````  is written to the file ``x``
```` ```python````         is run as a script
```` ```ipython````        is run as the cells of a notebook, each after a line ``# In [1]:``
```` ```pycon````          is run as a doctest (``...`` stands for anything)
```` ```console````        runs each ``$ command``; what follows is its output (``...`` stands for anything)
```` ```sh````             commands that need something that isn't here: those of a flow file of the page are
                           read by the command's own parser
```` ```py````             the same for Python: it is compiled, and every method it calls and every keyword it
                           gives is looked for
anything else              isn't looked at
========================  ==========================================================================
"""

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOCTEST = """import doctest, sys
test = doctest.DocTestParser().get_doctest(sys.stdin.read(), {"__name__": "__main__"}, sys.argv[1], sys.argv[1], 0)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test).failed)
"""
_NOTEBOOK = """import re, sys
from IPython.core.interactiveshell import InteractiveShell
for cell in re.split(r"^# In \\[\\d+\\]:\\n", sys.stdin.read(), flags=re.MULTILINE)[1:]:
    InteractiveShell.instance().run_cell(cell, store_history=True).raise_error()
"""

_COMMAND = re.compile(r"^(?:\w+=\$\()?python (\S+\.py) (.*?)\)? *(?:#.*)?$", re.MULTILINE)
_PARSE = """import importlib, json, shlex, sys
from flow_sdk import FlowSpec
from flow_sdk.cli.configs import take_configs
from flow_sdk.cli.main import find_command
sys.path.insert(0, "")
for file, line in json.load(sys.stdin):
    module = importlib.import_module(file.removesuffix(".py"))
    flow = next(c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__
                and issubclass(c, FlowSpec))
    try:
        find_command(flow, take_configs(flow, shlex.split(line, comments=True)))
    except Exception as error:
        sys.exit(f"python {file} {line}\\n{error}")
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    kind: str
    file: str | None
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page in order."""
    for found in _BLOCK.finditer(page):
        yield Block(found.group(1), found.group(2), found.group(3), page.count("\n", 0, found.start()) + 1)


def run_page(page: Path, folder: Path) -> int:
    """Run a page's blocks in a folder; returns how many did something.

    Raises
    ------
    AssertionError
        If a block fails, or prints something else than the page says.
    """
    ran, commands = 0, []
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}:{block.line}"
        if block.kind == "python" and block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            _run([sys.executable, "-c", block.text], folder, where)
        elif block.kind == "ipython":
            _run([sys.executable, "-c", _NOTEBOOK], folder, where, given=block.text)
        elif block.kind == "pycon":
            _run([sys.executable, "-c", _DOCTEST, where], folder, where, given=block.text)
        elif block.kind == "console":
            _console(block.text, folder, where)
        elif block.kind == "py":
            _check_python(block.text, where)
        elif block.kind == "sh":
            commands += _COMMAND.findall(block.text)
            continue
        else:
            continue
        ran += 1
    known = [(file, line) for file, line in commands if (folder / file).exists()]
    if known:
        _run([sys.executable, "-c", _PARSE], folder, f"sh blocks of {page.name}", given=json.dumps(known))
    return ran + len(known)


def shell_commands(page: str, target: str) -> list[tuple[list[str], str]]:
    """The commands of a flow file in a page's ``sh`` blocks, for one target, each with the output that follows it."""
    found = []
    for block in blocks(page):
        for part in re.split(r"^python (?=\S+\.py )", block.text, flags=re.MULTILINE)[1:] if block.kind == "sh" else ():
            command, _, output = part.partition("\n")
            words = shlex.split(command, comments=True)[1:]
            if words[0] == target:
                found.append((words, output))
    return found


def _check_python(text: str, where: str) -> None:
    """Look for what is called in Python that can't run here."""
    tree = ast.parse(text, where)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        found = _callables(name)
        assert found, f"{where}: there is no {name!r}"
        for keyword in call.keywords:
            taken = [inspect.signature(each).parameters for each in found]
            assert any(keyword.arg in names or "kwargs" in names for names in taken), f"{where}: {name}({keyword.arg}=)"


def _callables(name: str) -> list[Any]:
    """What is called that in the public interface: classes, functions, methods of what is handed out."""
    import builtins

    import flow_sdk
    from flow_sdk.programmatic import deployed, deployer, notebook, runner

    public = [getattr(flow_sdk, each) for each in flow_sdk.__all__]
    known = [*public, *(each for module in (deployed, deployer, notebook, runner) for each in vars(module).values())]
    owners = [*(each for each in known if isinstance(each, type)), builtins]
    found = [getattr(owner, name) for owner in owners if callable(getattr(owner, name, None))]
    return found + [each for each in public if getattr(each, "__name__", "") == name]


def matches(expected: str, printed: str) -> bool:
    """Tell whether the text is the expected one, in which ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    plain = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, plain, re.DOTALL) is not None


def _console(text: str, folder: Path, where: str) -> None:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = command[:-1] + more
        printed = _run(["sh", "-c", command], folder, f"{where} $ {command}", fails=expected.startswith("error"))
        if expected.strip():
            assert matches(expected, printed), (
                f"{where} $ {command}\n--- printed\n{printed}\n--- the page says\n{expected}"
            )


def _run(command: list[str], folder: Path, where: str, *, given: str = "", fails: bool = False) -> str:
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, f"{where} ended with {done.returncode}\n{done.stdout}"
    return done.stdout
