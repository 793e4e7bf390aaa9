"""Flow classes made from source text, for tests that want each flow beside its test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from flow_sdk.authoring.flow import FlowSpec

HEADER = "from flow_sdk import FlowSpec, IncludeFile, JSONType, Parameter, catch, project, retry, step, timeout\n\n\n"


def load_flow(text: str, folder: Path, stem: str = "flow") -> type[FlowSpec]:
    """Write a flow file and import it, in place of the last one of that stem; returns its last flow class."""
    path = folder / f"{stem}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"flow_under_test_{stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # Python takes a cached file for the right one if its source has the same size and second.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    found: list[Any] = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, FlowSpec)]
    return found[-1]  # type: ignore[no-any-return]


def flow_text(*definitions: str, name: str = "Small", body: str = "") -> str:
    """Write a flow file from one line for each step: ``"a: self.next(self.b)"`` or ``"j(inputs): ..."``.

    A line that begins with ``@`` goes before the step's ``@step``. ``body`` is put at the beginning of the class.
    """
    lines = [f"class {name}(FlowSpec):", *("    " + line for line in body.splitlines())]
    for definition in definitions:
        *decorators, last = definition.splitlines()
        head, _, code = last.partition(":")
        step, _, arguments = head.partition("(")
        marks = [mark for mark in decorators if mark.startswith("@step")]
        lines += [f"    {line}" for line in decorators] + ([] if marks else ["    @step"])
        lines.append(f"    def {step.strip()}(self{', ' + arguments.rstrip(') ') if arguments else ''}):")
        lines += [f"        {line.strip()}" for line in (code.strip() or "pass").split(" ; ")] + [""]
    return HEADER + "\n".join(lines) + "\n" + ("    pass\n" if not definitions and not body else "")


def small_flow(folder: Path, *definitions: str, name: str = "Small", body: str = "") -> type[FlowSpec]:
    """Make the flow of :func:`flow_text`."""
    return load_flow(flow_text(*definitions, name=name, body=body), folder)
