"""Files given for parameters: read on the user's machine, carried as contents everywhere else."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flow_sdk.errors import ParameterError
from flow_sdk.plan.model import ParameterPlan
from flow_sdk.plan.parameter_errors import check_text, help_of, value_error

__all__ = ["embed_files", "file_value", "read_file"]

EMBEDDED_LIMIT = 128 * 1024
"""Bytes of a default file that a deployment carries in its plan."""


def file_value(parameter: ParameterPlan, raw: Any, paths: bool) -> Any:
    if raw is None and not parameter.required and parameter.default is None:
        return None
    if paths and isinstance(raw, str):
        raw = {"path": raw}
    if isinstance(raw, dict) and len(raw) == 1:
        ((form, content),) = raw.items()
        if form == "path" and isinstance(content, str):
            if paths:
                return read_file(parameter, content)
            raise value_error(
                parameter, raw, help="The file isn't part of the deployment. Give its contents, or deploy again."
            )
        if form == "base64" and isinstance(content, str):
            try:
                raw = base64.b64decode(content, validate=True)
            except ValueError:
                raise value_error(parameter, raw, "bytes as base64") from None
    if isinstance(raw, str):
        check_text(parameter, raw)
        return raw if parameter.is_text else raw.encode("utf-8")
    if isinstance(raw, bytes):
        return _decode_content(parameter, raw, "the given contents") if parameter.is_text else raw
    raise value_error(parameter, raw)


def read_file(parameter: ParameterPlan, path: str) -> str | bytes:
    """Read the file given for a parameter: text in its encoding, or bytes.

    Raises
    ------
    ParameterError
        If it can't be read, or isn't text in that encoding.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ParameterError(
            f"The file for the parameter {parameter.name!r} can't be read.",
            seen=f"{path}: {reason}",
            wanted="the path of a readable file",
            help=help_of(parameter),
        ) from None
    return _decode_content(parameter, content, path) if parameter.is_text else content


def _decode_content(parameter: ParameterPlan, content: bytes, path: str) -> str:
    try:
        # Line ends as open() gives them, and as users of text files expect.
        return content.decode(parameter.encoding).replace("\r\n", "\n").replace("\r", "\n")
    except ValueError as error:
        raise ParameterError(
            f"The file for the parameter {parameter.name!r} isn't text in {parameter.encoding}.",
            seen=f"{path}: {error}",
            wanted=f"text in {parameter.encoding}",
            help="Say encoding=..., or is_text=False for bytes, in IncludeFile.",
        ) from None


def embed_files(parameters: Iterable[ParameterPlan]) -> tuple[ParameterPlan, ...]:
    """Put the contents of default files into the parameters, for a deployment to machines that haven't the files.

    Raises
    ------
    ParameterError
        If a file can't be read or has more than 128 KiB.
    """
    out = []
    for parameter in parameters:
        if parameter.type == "file" and isinstance(parameter.default, dict) and "path" in parameter.default:
            content = read_file(parameter, parameter.default["path"])
            data: Any = content if isinstance(content, str) else {"base64": base64.b64encode(content).decode("ascii")}
            size = len(content)
            if size > EMBEDDED_LIMIT:
                raise ParameterError(
                    f"The default file of the parameter {parameter.name!r} is too large to be deployed.",
                    seen=f"{parameter.default['path']}: {size} bytes",
                    wanted=f"at most {EMBEDDED_LIMIT} bytes",
                    help="Keep it in the object store and read it in a step.",
                )
            parameter = replace(parameter, default=data)
        out.append(parameter)
    return tuple(out)
