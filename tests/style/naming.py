"""The measure of names: words of function names, words that the glossary rules out, classes of the same name."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BANNED_IN_NAMES = {
    "afresh": "again",
    "anew": "again",
    "facts": "metadata, fields, or their names",
    "foreachs": "foreach_steps",
    "mend": "fix, repair",
    "mended": "fixed, repaired",
    "note": "record, log, message",
    "noted": "recorded",
    "notes": "records",
    "patience": "retry_budget",
    "place": "location, key, account, position",
    "placed": "located",
    "places": "locations, keys",
    "placing": "attaching",
    "settle": "resolve",
    "settled": "resolved",
    "tell": "log, report, pass",
    "tells": "logs, reports",
    "told": "logged, reported, passed",
    "unheeded": "ignored",
}
"""Words that a name may not hold, with the standard terms for them."""

BANNED_IN_TEXT = {
    r"afresh|anew": "again",
    r"(?<!take )(?<!takes )(?<!took )(?<!in )(?<!decimal )\bplaces?\b(?! of)(?!holder)": "location, key, account",
    r"facts": "metadata, fields, or their names",
    r"foreachs": "foreach steps",
    r"go(?:es)? on(?! to)|going on|went on": "continues, is running",
    r"hands? (?:it |them )?on": "transitions",
    r"hand-?over|handed over": "output, transfer",
    r"in vain": "ignored, without effect",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"nobody|somebody|anybody|whoever": "the role: user, process, caller",
    r"signs? of life|life signs?": "heartbeat",
    r"given up|give up|gives up": "abandoned",
    r"taken over|takes over|take over": "reused",
    r"tell|tells|told|telling": "log, report, pass",
    r"unheeded": "ignored",
    r"settled": "resolved",
    r"(?<!too )dear": "expensive",
    r"patience": "retry budget",
    r"how (?:it|they|a run|the run) stands?": "state",
    r"the house": "the project, the operator",
}
"""Patterns that docstrings, comments, messages and pages may not hold, with the standard terms for them."""

_IN_TEXT = [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), term) for pattern, term in BANNED_IN_TEXT.items()]


class FunctionName(NamedTuple):
    """A function's or method's name, and where it is defined."""

    name: str
    path: Path
    line: int
    in_module: bool
    """Whether it is defined at the top of its module."""

    @property
    def is_one_word(self) -> bool:
        """Return whether the name has one word, leading underscores left out."""
        return "_" not in self.name.strip("_")


def parse_file(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def find_function_names(path: Path) -> list[FunctionName]:
    """Return the names of all functions and methods of a file but those that Python names, such as ``__init__``."""
    tree = parse_file(path)
    top = {id(node) for node in tree.body}
    return [
        FunctionName(node.name, path, node.lineno, id(node) in top)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not (node.name.startswith("__") and node.name.endswith("__"))
    ]


def split_name(name: str) -> list[str]:
    """Return the words of a name in snake case or camel case, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def find_defined_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of whatever a file defines: modules, classes, functions, arguments, variables."""
    yield 1, path.stem if path.stem != "__init__" else path.parent.name
    for node in ast.walk(parse_file(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def find_banned_names(path: Path) -> list[str]:
    """Return a line for each name of a file that holds a banned word."""
    return [
        f"{path}:{line}: {name}: {word} -> {BANNED_IN_NAMES[word]}"
        for line, name in find_defined_names(path)
        for word in split_name(name)
        if word in BANNED_IN_NAMES
    ]


def find_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of all comments and string literals of a Python file, or of all lines of a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(re.sub(r"`[^`\n]*`", "``", text).split("\n"), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.type == tokenize.STRING:
            for number, line in enumerate(token.string.split("\n")):
                yield token.start[0] + number, re.sub(r"``[^`]*``|`[^`]*`", "``", line)


def find_banned_texts(path: Path) -> list[str]:
    """Return a line for each comment, text literal or line of a page that holds a banned phrase."""
    return [
        f"{path}:{line}: {found.group()!r} -> {term}: {text.strip()[:120]}"
        for line, text in find_texts(path)
        for pattern, term in _IN_TEXT
        for found in pattern.finditer(text)
    ]


def find_repeated_classes(files: list[Path]) -> dict[str, list[Path]]:
    """Return the files of each class name that is defined more than once."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        for node in ast.walk(parse_file(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    return {name: paths for name, paths in sorted(found.items()) if len(paths) > 1}
