"""What flow files of Metaflow's users import, and what comes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import flow_sdk
from flow_sdk import FlowSpec, Parameter, card, current, exit_hook, kubernetes, pypi_base, step, trigger
from flow_sdk.authoring.declarations import find_inactive
from flow_sdk.authoring.inactive_decorators import INACTIVE, IgnoredCards
from flow_sdk.authoring.unsupported import UnsupportedName
from flow_sdk.cards import Markdown, MetaflowCard, get_cards
from flow_sdk.compatibility.modules import MODULES, OTHERS
from flow_sdk.compatibility.parallel import MulticoreException, parallel_imap_unordered, parallel_map, profile
from flow_sdk.errors import FlowSDKError, NotFound, UsageError
from tests.unit.cli.flow_file import call

pytestmark = pytest.mark.slow  # starts processes or servers

LINES = """
from flow_sdk import FlowSpec, step, Parameter, JSONType, IncludeFile, current, card, conda, conda_base, pypi, pypi_base
from flow_sdk import kubernetes, batch, resources, retry, catch, timeout, environment, secrets, schedule, project
from flow_sdk import trigger, trigger_on_finish, exit_hook, parallel, pytorch_parallel, S3, Flow, Run, Step, Task
from flow_sdk import Runner, Deployer, NBRunner, NBDeployer, namespace, get_namespace, default_namespace, metadata
from flow_sdk import profile, parallel_map, parallel_imap_unordered, metaflow_version, namespaced_event_name
from flow_sdk import checkpoint, model, huggingface_hub, gpu_profile, nvidia, torchrun, deepspeed, metaflow_ray, mpi
from flow_sdk import cards, util, plugins, metaflow_config, R, pyproject_toml_parser, requirements_txt_parser
from flow_sdk import Snowflake, modal, nim, nvct, req_parser
from flow_sdk.profilers import gpu_profile
from flow_sdk.datastore.inputs import Inputs
from flow_sdk.plugins.argo.argo_events import ArgoEvent
from flow_sdk import airflow_s3_key_sensor, airflow_external_task_sensor, Config, config_expr, ConfigValue
import flow_sdk.metaflow_config
import flow_sdk.metaflow_config as config
import flow_sdk.plugins.datatools.s3.s3
from flow_sdk._vendor import click
from flow_sdk.cards import Artifact, BlankCard, DefaultCard, Error, ErrorCard, EventsTimeline, Image, JSONViewer
from flow_sdk.cards import Markdown, MetaflowCard, MetaflowCardComponent, PageComponent, ProgressBar, PythonCode
from flow_sdk.cards import Table, ValueBox, VegaChart, YAMLViewer, get_cards
from flow_sdk.client import Flow, Run, Step, Task, namespace
from flow_sdk.client.core import Flow, MetaflowData
from flow_sdk.client.filecache import FileCache
from flow_sdk.cmd_with_io import cmd
from flow_sdk.datastore import FlowDataStore
from flow_sdk.datatools import S3
from flow_sdk.decorators import FlowDecorator, StepDecorator, flow_decorators
from flow_sdk.events import MetaflowEvent, Trigger
from flow_sdk.exception import MetaflowException, MetaflowInternalError, MetaflowNotFound, MetaflowNamespaceMismatch
from flow_sdk.exception import MetaflowInvalidPathspec, MetaflowDataMissing, MetaflowTaggingError, CommandException
from flow_sdk.exception import MissingInMergeArtifactsException, UnhandledInMergeArtifactsException
from flow_sdk.exception import ParameterFieldFailed, ParameterFieldTypeMismatch, ExternalCommandFailed
from flow_sdk.exception import InvalidDecoratorAttribute, MetaflowExceptionWrapper, MetaflowUnknownUser
from flow_sdk.flowspec import FlowSpec
from flow_sdk.includefile import IncludeFile
from flow_sdk.integrations import ArgoEvent
from flow_sdk.metadata_provider import MetaDatum
from flow_sdk.metaflow_config import DATATOOLS_S3ROOT, DATASTORE_SYSROOT_S3, DEFAULT_DATASTORE, from_conf
from flow_sdk.metaflow_current import current
from flow_sdk.metaflow_environment import MetaflowEnvironment
from flow_sdk.metaflow_profile import profile
from flow_sdk.metaflow_version import get_version
from flow_sdk.multicore_utils import parallel_map, MulticoreException
from flow_sdk.parameters import Parameter, JSONType, DeployTimeField
from flow_sdk.plugins import ResourcesDecorator
from flow_sdk.plugins.airflow.sensors.s3_sensor import S3KeySensorDecorator
from flow_sdk.plugins.aws.batch.batch_decorator import BatchDecorator
from flow_sdk.plugins.aws.step_functions.step_functions import StepFunctions
from flow_sdk.plugins.cards.card_client import get_cards
from flow_sdk.plugins.cards.card_modules.basic import DefaultCard, BlankCard
from flow_sdk.plugins.cards.card_modules.card import MetaflowCard, MetaflowCardComponent
from flow_sdk.plugins.cards.card_modules.components import Markdown, Table
from flow_sdk.plugins.catch_decorator import FailureHandledByCatch
from flow_sdk.plugins.datatools import S3
from flow_sdk.plugins.datatools.s3 import S3, MetaflowS3NotFound, MetaflowS3Exception
from flow_sdk.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator
from flow_sdk.plugins.timeout_decorator import TimeoutException
from flow_sdk.procpoll import make_poll
from flow_sdk.runner.deployer import Deployer
from flow_sdk.runner.metaflow_runner import Runner
from flow_sdk.tagging_util import validate_tags
from flow_sdk.unbounded_foreach import UnboundedForeachInput
from flow_sdk.user_configs.config_parameters import Config, ConfigValue, config_expr
from flow_sdk.user_decorators.mutable_flow import MutableFlow
from flow_sdk.user_decorators.mutable_step import MutableStep
from flow_sdk.user_decorators.user_flow_decorator import FlowMutator
from flow_sdk.user_decorators.user_step_decorator import StepMutator, UserStepDecorator, user_step_decorator
from flow_sdk.util import get_username, to_bytes, to_unicode, is_stringish, which, resolve_identity
""".strip().splitlines()


def fresh(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_every_line_imports() -> None:
    done = fresh("\n".join(f"try:\n    {line}\nexcept BaseException as e:\n    print({line!r}, e)" for line in LINES))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", MODULES)
def test_names_of_a_module_are_the_real_things(module: str) -> None:
    import importlib

    found = importlib.import_module(f"flow_sdk.{module}")
    for name in MODULES[module]:
        assert not isinstance(getattr(found, name), UnsupportedName), name
    assert set(dir(found)) == set(MODULES[module])


def test_modules_of_neither_are_not_found() -> None:
    for name in ("nonsense", "util.nonsense", "cards.nonsense", "client.nonsense"):
        with pytest.raises(ModuleNotFoundError):
            __import__(f"flow_sdk.{name}")


def test_modules_are_attributes_as_soon_as_the_package_is_imported() -> None:
    code = "import flow_sdk\nprint(flow_sdk.metaflow_version.get_version(), flow_sdk.cards.Markdown.__name__)"
    assert fresh(code).stdout == f"{flow_sdk.__version__} Markdown\n"


def test_nothing_of_it_is_loaded_without_need() -> None:
    code = "import sys, flow_sdk\nfrom flow_sdk import FlowSpec, step, current\nprint(*sys.modules)"
    loaded = set(fresh(code).stdout.split())
    assert not {
        name for name in loaded if name.startswith(("flow_sdk.compatibility", "flow_sdk.authoring.inactive_decorators"))
    }


@pytest.mark.parametrize(
    "name", ["events.Trigger", "decorators.StepDecorator", "plugins.aws.aws_utils.parse_s3_full_path"]
)
def test_a_name_that_is_not_there_says_so_when_it_is_used(name: str) -> None:
    import importlib

    module, _, last = name.rpartition(".")
    absent: Any = getattr(importlib.import_module(f"flow_sdk.{module}"), last)
    message = f"'{name}' of Metaflow isn't in this release of Flow SDK."
    for use in (lambda: absent(1), lambda: absent.attribute, lambda: absent[0], lambda: list(absent)):
        with pytest.raises(UsageError, match=message.replace(".", r"\.")):
            use()
    with pytest.raises(UsageError, match="isn't in this release"), absent:
        pass
    with pytest.raises(UsageError, match="isn't in this release"):
        type("Derived", absent.__mro_entries__(()), {})
    assert not hasattr(absent, "__wrapped__")


def test_settings_of_metaflow() -> None:
    code = (
        "from flow_sdk.metaflow_config import *\nimport flow_sdk.metaflow_config as c\nimport json\n"
        "names = 'DATASTORE_SYSROOT_S3 DATATOOLS_S3ROOT DEFAULT_DATASTORE BATCH_CONTAINER_IMAGE UI_URL USER'.split()\n"
        "print(json.dumps([getattr(c, name) for name in names] + [c.from_conf('METAFLOW_OWN', 'x')]))"
    )
    given = {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://b/flows", "FLOW_SDK_BATCH_IMAGE": "image:1", "METAFLOW_USER": "ada"}
    done = fresh(code, **given)
    assert json.loads(done.stdout) == ["s3://b/flows", "s3://b/flows/data", "local", "image:1", None, "ada", "x"]
    done = fresh(code, METAFLOW_DATATOOLS_S3ROOT="s3://other/x", METAFLOW_OWN="1", METAFLOW_USER="ada")
    assert json.loads(done.stdout)[1] == "s3://other/x" and json.loads(done.stdout)[-1] == "1"


def test_exceptions_can_be_caught_raised_and_derived_from() -> None:
    from flow_sdk.exception import MetaflowException, MetaflowNotFound

    with pytest.raises(MetaflowException):
        raise NotFound("no such run")
    assert MetaflowNotFound is NotFound

    class Own(MetaflowException):
        headline = "Own failure"

        def __init__(self, text: object) -> None:
            super().__init__(text)

    assert (Own("it broke").message, str(Own(ValueError("x"))), str(MetaflowException())) == ("it broke", "x", "")
    assert isinstance(Own("x"), FlowSDKError)


def test_parallel_map() -> None:
    factor = 3
    assert parallel_map(lambda item: item * factor, range(4), max_parallel=2) == [0, 3, 6, 9]
    assert sorted(parallel_imap_unordered(lambda item: item * factor, [1, 2])) == [3, 6]
    with pytest.raises(MulticoreException, match="ZeroDivisionError") as caught:
        parallel_map(lambda item: 1 // item, [1, 0])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(MulticoreException):
        parallel_map(lambda item: __import__("os")._exit(3), [1])


def test_profile(capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, int] = {"a": 5}
    with profile("a", stats_dict=found), profile("b"):
        pass
    assert found["a"] >= 5
    assert capsys.readouterr().out.startswith("PROFILE: b starting\nPROFILE: b completed in ")


@trigger(event="new_data")
@pypi_base(python="3.11", packages={"pandas": "2"})
@exit_hook(on_success=[print])
class Marked(FlowSpec):
    @card(type="blank", id="a")
    @card
    @kubernetes(cpu=2, image="x")
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def test_decorators_without_effect_leave_their_names() -> None:
    assert sorted(find_inactive(Marked)) == [
        ("card", "start"),
        ("exit_hook", ""),
        ("kubernetes", "start"),
        ("pypi_base", ""),
        ("trigger", ""),
    ]


@pytest.mark.parametrize("name", INACTIVE)
def test_each_can_be_imported_and_stands_where_it_belongs(name: str) -> None:
    decorator = getattr(flow_sdk, name)
    assert decorator is INACTIVE[name]

    def function(self: Any) -> None: ...

    right, wrong = (function, FlowSpec) if decorator.on_step else (type("F", (FlowSpec,), {}), function)
    assert decorator(right) is right and decorator()(right) is right
    with pytest.raises(UsageError, match=f"@{name} stands on"):
        decorator()(wrong)
    with pytest.raises(UsageError, match=f"@{name} takes its attributes by name"):
        decorator("x")


def test_attributes_that_metaflow_does_not_have_are_refused() -> None:
    with pytest.raises(UsageError, match="@card has no attribute 'tipe'") as caught:
        card(tipe="blank")
    assert caught.value.help == "Did you mean 'type'?"


def test_components_of_cards() -> None:
    with pytest.raises(UsageError, match="cards aren't in this release"):
        Markdown("# x").render()
    with pytest.raises(UsageError, match="cards aren't in this release"):
        get_cards("Flow/1/start/1")

    class Own(MetaflowCard):
        def render(self, task: Any) -> str:
            return "<html></html>"

    assert Own(options={}).render(None) == "<html></html>"
    ignored = IgnoredCards()
    ignored["a"] = [Markdown("x")]
    ignored["a"].append(Markdown("x"))
    assert (len(ignored), list(ignored), ignored.get()) == (0, [], [])
    with pytest.raises(AttributeError, match=r"current\.checkpoint needs @checkpoint"):
        _ = current.checkpoint  # type: ignore[attr-defined]


FLOW = """
from flow_sdk import FlowMutator, FlowSpec, card, current, kubernetes, parallel_map, step, trigger_on_finish
from flow_sdk.cards import Markdown, Table

class cards_everywhere(FlowMutator):
    def mutate(self, mutable_flow):
        mutable_flow.end.add_decorator("card", deco_kwargs={"id": "b"})

@cards_everywhere
@trigger_on_finish(flow="Other")
class F(FlowSpec):
    @card(type="blank")
    @kubernetes(memory=1000)
    @step
    def start(self):
        current.card.append(Markdown("# hi"))
        current.card["a"].refresh()
        self.trigger = current.trigger
        self.doubled = parallel_map(lambda x: 2 * x, [1, 2])
        self.next(self.end)

    @step
    def end(self):
        current.card.clear()
        print("seen", self.trigger, self.doubled)

if __name__ == "__main__":
    F()
"""


def test_a_run_says_what_has_no_effect_and_deploying_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    path.write_text(FLOW)
    done = call(tmp_path, "run", file=str(path))
    assert done.returncode == 0, done.stderr
    assert "seen None [2, 4]" in done.stdout
    lines = [line for line in done.stderr.splitlines() if "has no effect" in line]
    assert lines == [
        "@trigger_on_finish has no effect in this release of Flow SDK: no other flow starts this one.",
        "@kubernetes of start has no effect in this release of Flow SDK: the step runs on this machine.",
        "@card of start, end has no effect in this release of Flow SDK: no card is made.",
    ]
    for words in (["airflow", "create", "dag.py"], ["step-functions", "create", "--only-json"]):
        done = call(tmp_path, *words, file=str(path))
        assert done.returncode == 1
        assert "seen:   @trigger_on_finish, @kubernetes on start, @card on start, end" in done.stderr
    assert not (tmp_path / "dag.py").exists()
    assert "@card has no effect" in call(tmp_path, "run", "--with", "card", file=str(path)).stderr


def test_the_tables_do_not_overlap() -> None:
    assert not OTHERS & MODULES.keys()
    assert Parameter is __import__("flow_sdk.parameters", fromlist=["Parameter"]).Parameter


def test_the_command_that_changes_the_imports_changes_nothing_else(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "coming-from-metaflow.md").read_text(encoding="utf-8")
    command = page[page.index("`sed ") + 1 :].partition("`")[0]
    (tmp_path / "flow.py").write_text(
        "import metaflow\nfrom metaflow import S3\n    from metaflow.cards import Table\n"
        'import metaflow_tools\nROOT = "s3://acme-metaflow/data"  # import metaflow\n'
    )
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert (tmp_path / "flow.py").read_text() == (
        "import flow_sdk\nfrom flow_sdk import S3\n    from flow_sdk.cards import Table\n"
        'import metaflow_tools\nROOT = "s3://acme-metaflow/data"  # import metaflow\n'
    )
