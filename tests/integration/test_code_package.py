"""Flows that are started from packages and source trees: what travels to a worker, and that they run there."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.deploy.releases import newest_releases
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import list_files
from tests.conftest import interpreter
from tests.support.airflow_runs import clean_environment, dag_test
from tests.support.parts import LINES

FLOW = """
{imports}
from flow_sdk import FlowSpec, step


class Item:
    def __init__(self, tax):
        self.tax = tax


class Bill(FlowSpec):
    @step
    def start(self):
        {lazily}
        self.tax = TAX
        self.item = Item(TAX)
        self.where = [__name__, str(__package__ or "")]
        self.next(self.end)

    @step
    def end(self):
        assert isinstance(self.item, Item), type(self.item)
        print("tax is", self.item.tax)


if __name__ == "__main__":
    Bill()
"""


def bill(imports: str = "", lazily: str = "pass") -> str:
    return FLOW.format(imports=imports, lazily=lazily)


@dataclass
class Project:
    """A source tree, and how its flow is started.

    Parameters
    ----------
    files : dict of str to str
        Texts by path.
    start : list of str
        The interpreter's arguments.
    packaged : set of str
        What the code package must hold, besides nothing.
    where : list of str
        The names that the flow file must have where it is executed: ``__name__`` and ``__package__``.
    search : str
        ``PYTHONPATH``, relative to the tree.
    cwd : str
        The folder to start it in, relative to the tree.
    """

    files: dict[str, str]
    start: list[str]
    packaged: set[str]
    where: list[str] = field(default_factory=lambda: ["__main__", ""])
    search: str = ""
    cwd: str = "."


RELATIVE = bill("from ..sums import TAX\nfrom . import texts")
SHOP = {"shop/__init__.py": "", "shop/flows/__init__.py": "", "shop/flows/texts.py": "", "shop/sums.py": "TAX = 20\n"}
IN_SHOP = {*SHOP, "shop/flows/bill.py"}

PROJECTS = {
    "a script beside its helper": Project(
        {"bill.py": bill("from sums import TAX"), "sums.py": "TAX = 20\n"}, ["bill.py"], {"bill.py", "sums.py"}
    ),
    "a module of a package": Project(
        {**SHOP, "shop/flows/bill.py": RELATIVE},
        ["-m", "shop.flows.bill"],
        IN_SHOP,
        ["__main__", "shop.flows"],
    ),
    "a package with __main__": Project(
        {"shop/__main__.py": bill("from .sums import TAX"), "shop/sums.py": "TAX = 20\n"},
        ["-m", "shop"],
        {"shop/__main__.py", "shop/sums.py"},
        ["__main__", "shop"],
    ),
    "a script that imports the flow": Project(
        {**SHOP, "shop/flows/bill.py": RELATIVE, "start.py": "from shop.flows.bill import Bill\nBill()\n"},
        ["start.py"],
        {*IN_SHOP, "start.py"},
        ["shop.flows.bill", "shop.flows"],
    ),
    "a flow that a command imports": Project(
        {**SHOP, "shop/flows/bill.py": RELATIVE},
        ["-c", "from shop.flows.bill import Bill; Bill()"],
        IN_SHOP,
        ["shop.flows.bill", "shop.flows"],
    ),
    "a src layout": Project(
        {
            "pyproject.toml": "",
            **{f"src/{name}": text for name, text in SHOP.items()},
            "src/shop/flows/bill.py": RELATIVE,
            "tools/check.py": "",
        },
        ["-m", "shop.flows.bill"],
        {*(f"src/{name}" for name in IN_SHOP), "tools/check.py"},
        ["__main__", "shop.flows"],
        search="src",
    ),
    "a helper above the script": Project(
        {"setup.cfg": "", "common/sums.py": "TAX = 20\n", "flows/bill.py": bill(lazily="from common.sums import TAX")},
        ["flows/bill.py"],
        {"common/sums.py", "flows/bill.py"},
        search=".",
    ),
    "a helper beside the script's folder": Project(
        {
            "setup.cfg": "",
            "lib/sums.py": "TAX = 20\n",
            "flows/bill.py": bill("import sys, os\nsys.path.append(os.path.abspath('lib'))\nfrom sums import TAX"),
        },
        ["flows/bill.py"],
        {"lib/sums.py", "flows/bill.py"},
    ),
    "a script in a package": Project(
        {**SHOP, "shop/flows/bill.py": bill("import texts\nfrom shop.sums import TAX")},
        ["bill.py"],
        IN_SHOP,
        search=".",
        cwd="shop/flows",
    ),
    "an installed package": Project(
        {f"lib/site-packages/{name}": text for name, text in {**SHOP, "shop/flows/bill.py": RELATIVE}.items()}
        | {"lib/site-packages/other/__init__.py": ""},
        ["-m", "shop.flows.bill"],
        IN_SHOP,
        ["__main__", "shop.flows"],
        search="lib/site-packages",
    ),
    "a script without a suffix": Project(
        {"bill": bill("from sums import TAX"), "sums.py": "TAX = 20\n"}, ["bill"], {"bill", "sums.py"}
    ),
}


class Deployed:
    """A project in a folder, its DAG and its store."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.folder, self.tree = project, folder, folder / "tree"
        for name, text in project.files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        (folder / "dags").mkdir()
        self.root = str(folder / "store")
        self.env = clean_environment(folder / "home")
        if project.search:
            self.env["PYTHONPATH"] += os.pathsep + str(self.tree / project.search)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *self.project.start, "--datastore-root", self.root, *words]
        return subprocess.run(
            command, cwd=self.tree / self.project.cwd, env=self.env, capture_output=True, text=True, timeout=120
        )

    def create(self, *words: str) -> str:
        done = self.call("airflow", "create", str(self.folder / "dags"), *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    @property
    def blobs(self) -> dict[str, str]:
        return newest_releases(open_store(self.root), "Bill")["airflow"]

    @property
    def plan(self) -> FlowPlan:
        return from_json(Artifacts(open_store(self.root)).get_bytes(self.blobs["plan"], where="plan"))

    @property
    def packaged(self) -> set[str]:
        package = Artifacts(open_store(self.root)).get_bytes(self.blobs["package"], where="package")
        return {file.name for file in list_files(package)}

    def run_on_worker(self, run: str = "r1") -> Run:
        """Run both steps as an orchestrator's worker does, where nothing but the store is there."""
        lines: list[tuple[str, str]] = []
        for step in ("start", "end"):
            task = self.plan[step].task_id(())
            request = TaskRequest(self.root, "Bill", run, step, task, self.blobs["plan"], self.blobs["package"])
            done = supervise(request, lambda stream, line: lines.append((stream, line)))
            assert done.code == 0, lines
        return self.client(run)

    def client(self, run: str) -> Run:
        metadata(self.root)
        namespace(None)
        return Run(f"Bill/{run}")


@pytest.mark.parametrize("name", PROJECTS)
def test_a_worker_executes_the_flow_as_it_was_started(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = PROJECTS[name]
    deployed = Deployed(project, tmp_path)
    deployed.create()
    assert deployed.packaged == project.packaged
    for isolation in ("fork", "spawn"):
        local = deployed.call("run", "--isolation", isolation, "--run-id-file", str(tmp_path / isolation))
        assert local.returncode == 0, local.stderr
        assert deployed.client((tmp_path / isolation).read_text())["start"].task["where"].data == project.where
    shutil.rmtree(deployed.tree)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    run = deployed.run_on_worker()
    assert run["start"].task["where"].data == project.where
    assert run["start"].task["tax"].data == 20 and run.code is not None
    assert "class" in run.code.flowspec or "import Bill" in run.code.flowspec


def test_the_plan_of_a_plain_script_says_no_more_than_its_name(tmp_path: Path) -> None:
    deployed = Deployed(PROJECTS["a script beside its helper"], tmp_path)
    deployed.create()
    text = Artifacts(open_store(deployed.root)).get_bytes(deployed.blobs["plan"], where="plan")
    assert deployed.plan.file == "bill.py"
    assert not {"module", "imported", "paths"} & set(json.loads(text))


def test_the_current_folder_is_the_scripts_or_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = "import os\n        TAX = open('tax.txt').read()"
    script = Project({"bill.py": bill(lazily=reads), "tax.txt": "5"}, ["bill.py"], set())
    module = Project({"shop/bill.py": bill(lazily=reads), "tax.txt": "5"}, ["-m", "shop.bill"], set())
    above = Project(
        {"setup.py": "", "sums.py": "", "flows/bill.py": bill("import sums", reads), "flows/tax.txt": "5"},
        ["bill.py"],
        set(),
        search=".",
        cwd="flows",
    )
    for number, project in enumerate((script, module, above)):
        folder = tmp_path / str(number)
        folder.mkdir()
        deployed = Deployed(project, folder)
        assert "tax.txt" not in deployed.create("--package-suffixes", ".txt")
        shutil.rmtree(deployed.tree)
        assert deployed.run_on_worker()["start"].task["tax"].data == "5"


def refused(project: Project, folder: Path, *words: str, **settings: str) -> str:
    """What is said when a project can't be deployed; nothing may have been written."""
    deployed = Deployed(project, folder)
    deployed.env |= settings
    done = deployed.call("airflow", "create", str(folder / "dags"), *words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert not list((folder / "dags").iterdir()) and not (folder / "store").exists()
    return done.stderr


OUTSIDE = Project(
    {
        "flows/bill.py": bill("from helpers import TAX"),
        "lib/helpers.py": "from more import TAX\n",
        "lib/more.py": "TAX = 1",
    },
    ["flows/bill.py"],
    {"bill.py"},
    search="lib",
)


def test_modules_outside_of_the_package_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    said = refused(OUTSIDE, tmp_path)
    assert "helpers" in said and "flows/bill.py:2" in said and "lib/more.py" in said
    assert f"--package-root {tmp_path / 'tree'}" in said and "FLOW_SDK_WORKER_MODULES=helpers,more" in said


def test_a_chosen_root_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = Deployed(OUTSIDE, tmp_path)
    deployed.create("--package-root", str(deployed.tree))
    assert deployed.packaged == {"flows/bill.py", "lib/helpers.py", "lib/more.py"}
    assert deployed.plan.paths == ("flows", "lib")
    shutil.rmtree(deployed.tree)
    assert deployed.run_on_worker()["start"].task["tax"].data == 1


def test_the_root_may_be_a_setting_and_must_hold_the_flow(tmp_path: Path) -> None:
    said = refused(OUTSIDE, tmp_path, FLOW_SDK_PACKAGE_ROOT=str(tmp_path / "tree" / "lib"))
    assert "must be a folder that holds the flow file" in said and "PACKAGE_ROOT" in said


def test_modules_that_workers_have_are_not_refused(tmp_path: Path) -> None:
    deployed = Deployed(OUTSIDE, tmp_path)
    deployed.env["FLOW_SDK_WORKER_MODULES"] = "helpers, more"
    deployed.create()
    assert deployed.packaged == {"bill.py"}


def test_a_module_that_is_left_out_is_refused(tmp_path: Path) -> None:
    files = {"bill.py": bill("from private.sums import TAX"), "private/sums.py": "TAX = 1", ".flowignore": "private\n"}
    said = refused(Project(files, ["bill.py"], set()), tmp_path)
    assert "private.sums" in said and ".flowignore" in said and "--package-root" not in said


@pytest.mark.parametrize("form", ["guarded", "for type checkers", "installed", "of an unknown name"])
def test_what_needs_no_module_of_the_users_is_not_refused(form: str, tmp_path: Path) -> None:
    imports = {
        "guarded": "try:\n    import nowhere_at_all\nexcept ImportError:\n    pass",
        "for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import TAX",
        "installed": "import blake3, json, boto3",
        "of an unknown name": "import importlib\nfor name in ['json']:\n    importlib.import_module(name)",
    }
    files = {"flows/bill.py": bill(imports[form], "TAX = 20"), "lib/helpers.py": "TAX = 1"}
    deployed = Deployed(Project(files, ["flows/bill.py"], set(), search="lib"), tmp_path)
    deployed.create()
    assert deployed.packaged == {"bill.py"}


def test_editable_distributions_are_named_unless_workers_have_them(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    info = "env/site-packages/acme_tools-1.dist-info"
    files = {
        "flows/bill.py": bill("from acme import TAX"),
        "tools/acme/__init__.py": "TAX = 1",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: acme-tools\nVersion: 1\n",
        f"{info}/direct_url.json": json.dumps({"url": (tree / "tools").as_uri(), "dir_info": {"editable": True}}),
    }
    deployed = Deployed(Project(files, ["flows/bill.py"], set(), search="tools"), tmp_path)
    deployed.env["PYTHONPATH"] += os.pathsep + str(tree / "env/site-packages")
    said = deployed.create()
    assert "acme-tools" in said and "editable form" in said and deployed.packaged == {"bill.py"}
    deployed.env["FLOW_SDK_WORKER_MODULES"] = "acme"
    assert "editable form" not in deployed.create()


def test_a_root_that_is_not_the_flows_folder_is_named_with_the_size(tmp_path: Path) -> None:
    deployed = Deployed(PROJECTS["a helper above the script"], tmp_path)
    assert f"Code package: 2 files of {deployed.tree}, " in deployed.create()


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def test_airflow_runs_a_flow_of_a_package(line: str, tmp_path: Path) -> None:
    python = interpreter(line)
    assert python is not None
    project = PROJECTS["a module of a package"]
    deployed = Deployed(project, tmp_path)
    deployed.create()
    shutil.rmtree(deployed.tree)
    env = clean_environment(tmp_path / "home")
    answer: dict[str, Any] = dag_test(
        python, tmp_path / "airflow", tmp_path / "dags", [{"dag": "Bill", "conf": None}], env
    )
    (run,) = answer["runs"]
    assert run["state"] == "success", answer
    (name,) = (name for name in os.listdir(tmp_path / "store/flows/Bill/runs") if not name.startswith("~"))
    found = deployed.client(name)
    assert found.successful and found["start"].task["where"].data == project.where
