"""Running the code blocks of a page, one after the other in one folder, as a reader would.

========================  ==========================================================================
```` ```python file=x````  is written to the file ``x``
```` ```python````         is run as a script
```` ```pycon````          is run as a doctest (``...`` stands for anything)
```` ```console````        runs each ``$ command``; what follows is its output (``...`` stands for anything)
anything else              isn't run; commands that only make sense elsewhere stand in ``sh`` blocks
========================  ==========================================================================
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOCTEST = """import doctest, sys
test = doctest.DocTestParser().get_doctest(sys.stdin.read(), {"__name__": "__main__"}, sys.argv[1], sys.argv[1], 0)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test).failed)
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
    ran = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}:{block.line}"
        if block.kind == "python" and block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            _run([sys.executable, "-c", block.text], folder, where)
        elif block.kind == "pycon":
            _run([sys.executable, "-c", _DOCTEST, where], folder, where, given=block.text)
        elif block.kind == "console":
            _console(block.text, folder, where)
        else:
            continue
        ran += 1
    return ran


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
