"""Which literal relative paths of a source count as files that it reads."""

import ast
from pathlib import Path

import pytest

from flow_sdk.store.package.archive import find_files
from flow_sdk.store.package.code_layout import find_layout
from flow_sdk.store.package.data_files import data_files_left_out, literal_paths
from flow_sdk.store.package.entry import FlowEntry


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("open('x.csv')", ["x.csv"]),
        ("open('x.csv', 'rb')", ["x.csv"]),
        ("open(file='x.csv', mode='r')", ["x.csv"]),
        ("pd.read_csv('data/x.csv', sep=',')", ["data/x.csv", ","]),
        ("Path('x').read_text()", ["x"]),
        ("(Path('data') / 'x.csv').open()", ["data/x.csv"]),
        ("Path(__file__).parent / 'data' / 'x.csv'", ["data/x.csv"]),
        ("os.path.join(os.path.dirname(__file__), 'data', 'x.csv')", ["data/x.csv"]),
        ("Path(__file__).with_name('x.csv')", ["x.csv"]),
        ("Path('data').joinpath('x.csv')", ["data/x.csv"]),
        ("NAME = 'x.csv'", ["x.csv"]),
        ("def f():\n    with gzip.open('x.gz') as f: pass", ["x.gz"]),
        ("pd.read_csv('in.csv').to_csv('out.csv')", ["in.csv"]),
        ("Path('out.txt').write_text(open('in.txt').read())", ["in.txt"]),
        ("json.dump(x, open('out.json', 'w'))", []),
        ("open('out', 'w')", []),
        ("open('out', mode='ab')", []),
        ("Path('out').open('x')", []),
        ("gzip.open('out', 'wt')", []),
        ("plt.savefig('plot.png')", []),
        ("IncludeFile('x', default='x.txt')", []),
        ("Config('c', default='c.json')", []),
        ("open('/etc/passwd')", []),
        ("open(f'{x}.csv')", []),
        ("os.path.join('data', name)", []),
        ("'''a docstring'''", []),
    ],
)
def test_literal_paths(source: str, paths: list[str]) -> None:
    found = [path for path, _ in literal_paths(ast.parse(source))]
    assert set(paths) <= set(found)
    assert set(found) - set(paths) <= {"r", "rb", ",", "data"}  # other texts that a call is given


def test_files_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a.csv", "data/b.csv", "c.txt", "unused.csv", ".hidden", "gone.py"):
        (tmp_path / name).write_text("")
    source = "import helper, gone\nopen('a.csv'); open('c.txt'); open('.hidden'); open('nowhere.csv')\n"
    (tmp_path / "flow.py").write_text(source)
    (tmp_path / "helper.py").write_text("DATA = 'data/b.csv'\n")
    (tmp_path / "gone.py").write_text("open('unused.csv')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    layout = find_layout(FlowEntry(str(tmp_path / "flow.py")))
    files = find_files(str(tmp_path), suffixes=[".txt"], leave_out=["gone.py"])
    found = data_files_left_out(layout, [file.path for file in files])
    assert [(file.name, file.where) for file in found] == [
        (".hidden", f"{tmp_path}/flow.py:2"),
        ("a.csv", f"{tmp_path}/flow.py:2"),
        ("data/b.csv", f"{tmp_path}/helper.py:1"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "importlib.resources.files('p').joinpath('d.txt').read_text()",
        "(resources.files('p') / 'd.txt').read_text()",
        "import p\nresources.files(p).joinpath('d.txt')",
        "importlib.resources.read_text('p', 'd.txt')",
        "resources.open_binary('p', 'd.txt')",
        "pkgutil.get_data('p', 'd.txt')",
        "from p import q\npkgutil.get_data('p', 'd.txt')",
        "resources.files('p.deep').joinpath('d.txt')",
    ],
)
def test_resources_of_packages_that_are_left_out(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p" / "deep").mkdir(parents=True)
    for name in ("p/__init__.py", "p/q.py", "p/d.txt", "p/deep/d.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "flow.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    layout = find_layout(FlowEntry(str(tmp_path / "flow.py")))
    files = [file.path for file in find_files(str(tmp_path))]
    (found,) = data_files_left_out(layout, files)
    assert found.path == str(tmp_path / ("p/deep/d.txt" if "deep" in source else "p/d.txt"))
    assert not data_files_left_out(layout, [*files, found.path])


@pytest.mark.parametrize(
    "imports", ["import tools, tools.__init__", "import tools.__init__", "from tools import __init__"]
)
def test_a_package_imported_by_the_name_of_its_file(
    imports: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "above" / "flows"
    (folder / "tools").mkdir(parents=True)
    (tmp_path / "above" / "unrelated").mkdir()
    (folder / "tools" / "__init__.py").write_text("from . import inner\n")
    (folder / "tools" / "inner.py").write_text("")
    (folder / "flow.py").write_text(imports + "\n")
    monkeypatch.syspath_prepend(str(folder))
    layout = find_layout(FlowEntry(str(folder / "flow.py")))
    assert (layout.root, layout.paths) == (str(folder), ())
    assert {module.file for module in layout.modules} == {
        str(folder / name) for name in ("flow.py", "tools/__init__.py", "tools/inner.py")
    }
