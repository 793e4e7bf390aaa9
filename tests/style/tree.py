"""The files of the checkout that the style tests look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = (ROOT / "flow_sdk", ROOT / "provider" / "src" / "flow_provider")
PYTHON = (*PACKAGES, ROOT / "tests", ROOT / "demo", ROOT / "benchmarks", ROOT / "dags_examples")
TEXT = {".py", ".md", ".toml", ".txt", ".in", ".cfg", ".ini", ".json", ".yaml", ".yml", ".sh", ""}
LEFT_BY_TOOLS = {"__pycache__", ".git", "build", "dist", "node_modules", ".hypothesis", ".flow_sdk", ".metaflow"}


def python_files(*folders: Path) -> list[Path]:
    """Every Python file below the folders (default: all of the project's), sorted."""
    return sorted(path for folder in folders or PYTHON for path in folder.rglob("*.py") if not _left_by_tools(path))


def text_files() -> list[Path]:
    """Every text file of the checkout, sorted."""
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and p.suffix in TEXT and not _left_by_tools(p))


def short(path: Path) -> str:
    """The path as seen from the root of the checkout."""
    return path.relative_to(ROOT).as_posix()


def _left_by_tools(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(
        part in LEFT_BY_TOOLS or part.endswith(("_cache", ".egg-info")) or part.startswith(".venv") for part in parts
    )
