"""The state machine of every example, to the last byte. ``pytest --regenerate`` writes them anew."""

import json
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.step_functions.definition import MachineOptions, state_machine
from flow_sdk.runtime.batch.definition import BatchSettings
from tests.golden.compiled import EXAMPLES, FLOWS, plan_of
from tests.support.second_interpreter import validate

GOLDEN = EXAMPLES / "golden" / "step_functions"
DISTRIBUTED = EXAMPLES / "golden" / "step_functions_distributed"
WITH_FOREACH = [path for path in FLOWS if "foreach=" in path.read_text(encoding="utf-8")]


def definition_of(path: Path, **more: Any) -> str:
    """Translate an example; store, queue and image are made up, so that the bytes depend on the example alone."""
    settings = BatchSettings(queue="flow-queue", image="flow-sdk:1", job_role="arn:aws:iam::123456789012:role/flow")
    options = MachineOptions(store="s3://bucket/flows", request="0" * 64, settings=settings, **more)
    return json.dumps(state_machine(plan_of(path), options), indent=2) + "\n"


def compare(text: str, golden: Path, regenerate: bool) -> None:
    """Hold a state machine against its golden file, which is written anew first if asked for."""
    if regenerate:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_state_machine_with_inline_maps(path: Path, regenerate: bool) -> None:
    compare(definition_of(path, max_workers=40), GOLDEN / f"{path.stem}.json", regenerate)


@pytest.mark.parametrize("path", WITH_FOREACH, ids=lambda path: path.stem)
def test_state_machine_with_the_maps_of_the_default(path: Path, regenerate: bool) -> None:
    compare(definition_of(path), DISTRIBUTED / f"{path.stem}.json", regenerate)


@pytest.mark.node
def test_the_rules_of_amazon_states_language_are_kept() -> None:
    definitions = [json.loads(definition_of(path, max_workers=workers)) for path in FLOWS for workers in (40, 100)]
    assert validate(*definitions) == []


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == [path.stem for path in FLOWS]
    assert sorted(path.stem for path in DISTRIBUTED.glob("*.json")) == [path.stem for path in WITH_FOREACH]
