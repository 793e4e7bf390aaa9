"""Unit tests mirror the modules: who reads a module finds its tests by its name, and the other way round."""

from pathlib import Path

from tests.style.tree import PACKAGES, ROOT, python_files, short

UNIT = ROOT / "tests" / "unit"
ELSEWHERE = {
    "provider": PACKAGES[1],
    "benchmarks": ROOT / "benchmarks",
    "demo": ROOT / "demo",
    "support": ROOT / "tests" / "support",
}
"""Folders of tests/unit whose modules are in no package of the SDK."""

LEAST_SHARE = 0.38
"""Of the modules of both distributions so many have a unit test file of their own name, or more."""


def modules_of(folder: Path) -> set[str]:
    """Return the names of the modules and packages that tests of a folder may be named by, its own among them."""
    parts = folder.relative_to(UNIT).parts
    if parts and parts[0] in ELSEWHERE:
        source = ELSEWHERE[parts[0]].joinpath(*parts[1:])
        names = {folder.name}
    else:
        source = PACKAGES[0].joinpath(*parts)
        names = {folder.name} if parts else {"conftest"}
    return (
        names | {path.stem for path in source.glob("*.py")} | {path.name for path in source.iterdir() if path.is_dir()}
    )


def test_each_file_of_unit_tests_is_named_by_its_module() -> None:
    """``test_tokens.py``, or ``test_tokens_races.py`` for one matter of a module that has several."""
    lost = []
    for path in python_files(UNIT):
        if path.name.startswith("test_"):
            name, modules = path.stem.removeprefix("test_"), modules_of(path.parent)
            if name not in modules and not any(name.startswith(f"{module}_") for module in modules):
                lost.append(f"{short(path)}: no module of its folder is named {name}, nor begins the name")
    assert not lost, "\n".join(lost)


def test_no_fewer_modules_have_unit_tests_of_their_name() -> None:
    modules = [path for path in python_files(*PACKAGES) if path.name != "__init__.py"]
    tested = [path for path in modules if _test_file(path).exists()]
    share = len(tested) / len(modules)
    print(f"{len(tested)} of {len(modules)} modules ({share:.0%}) have a file of unit tests of their own name")
    assert share >= LEAST_SHARE


def _test_file(module: Path) -> Path:
    if PACKAGES[0] in module.parents:
        return UNIT / module.relative_to(PACKAGES[0]).with_name(f"test_{module.name}")
    return UNIT / "provider" / module.relative_to(PACKAGES[1]).with_name(f"test_{module.name}")
