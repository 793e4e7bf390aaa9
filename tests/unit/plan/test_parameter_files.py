"""Files given for parameters: read on the user's machine, carried as contents everywhere else."""

from pathlib import Path

import pytest

from flow_sdk import FlowSpec, IncludeFile
from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.errors import ParameterError
from flow_sdk.plan.parameter_files import embed_files
from flow_sdk.plan.parameters import plan_parameters, resolve_values

CONTEXT = DeployContext("F", "anne")


def test_files(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_bytes("größe\r\n".encode("latin-1"))
    raw = tmp_path / "raw.bin"
    raw.write_bytes(b"\x00\xff")

    class Files(FlowSpec):
        notes = IncludeFile("notes", default=str(text), encoding="latin-1")
        raw = IncludeFile("raw", default=str(tmp_path / "raw.bin"), is_text=False)
        none = IncludeFile("none")

    plans = plan_parameters(Files, CONTEXT)
    read = {"notes": "größe\n", "raw": b"\x00\xff", "none": None}
    assert resolve_values(plans, {}, paths=True) == read
    embedded = embed_files(plans)
    assert resolve_values(embedded, {}) == read
    assert resolve_values(embedded, {}, paths=True) == read
    assert resolve_values(embedded, {"notes": "given"})["notes"] == "given"
    with pytest.raises(ParameterError, match="can't be read"):
        resolve_values(plans, {"notes": str(tmp_path / "absent")}, paths=True)
    with pytest.raises(ParameterError, match="isn't text in utf-8"):
        resolve_values(plans, {"none": str(text)}, paths=True)
    raw.write_bytes(b"x" * 200_000)
    with pytest.raises(ParameterError, match="too large"):
        embed_files(plans)


def test_an_orchestrators_data_names_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")

    class Files(FlowSpec):
        notes = IncludeFile("notes")

    plans = plan_parameters(Files, CONTEXT)
    assert resolve_values(plans, {"notes": str(secret)}) == {"notes": str(secret)}
    with pytest.raises(ParameterError):
        resolve_values(plans, {"notes": {"path": str(secret)}})
