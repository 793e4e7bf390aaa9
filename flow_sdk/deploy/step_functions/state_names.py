"""Names of states and jobs, and intrinsic functions, within what Amazon States Language and Batch allow. Pure."""

import hashlib
import re

from flow_sdk.errors import DeployError

__all__ = ["fill_template", "job_name_stem", "map_label", "state_name", "template_text"]

LONGEST_STATE, LONGEST_LABEL, LONGEST_JOB, LONGEST_EXECUTION = 80, 40, 128, 80
"""Characters of a state's name, a distributed map's label, a Batch job's name and an execution's name (AWS)."""

_DIGITS = 8
_PLAIN = re.compile(r"[A-Za-z0-9!_.*()/ =@:,+&$;-]*", re.ASCII)


def _cut_name(text: str, longest: int) -> str:
    """A text within a length; where it is cut, a hash keeps two of them apart."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - _DIGITS - 1]}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def state_name(step: str, part: str = "") -> str:
    """Name of a step's state, or of a further one of it: ``fit``, ``fit.each``. No step's name has a dot."""
    tail = f".{part}" if part else ""
    return _cut_name(step, LONGEST_STATE - len(tail)) + tail


def map_label(step: str) -> str:
    """Label of a step's distributed map, a part of the ARNs of the executions of its items."""
    return _cut_name(step, LONGEST_LABEL)


def job_name_stem(flow: str, step: str) -> str:
    """What the names of a step's jobs begin with; ``-`` and the execution's name follow."""
    return _cut_name(f"{flow}-{step}".lstrip("_"), LONGEST_JOB - LONGEST_EXECUTION - 1)


def template_text(text: str, what: str) -> str:
    """Let a text pass that stands in a template of ``States.Format`` as it is.

    Raises
    ------
    DeployError
        If it has characters that mean something there.
    """
    if not _PLAIN.fullmatch(text):
        raise DeployError(
            f"The {what} can't be written in a state machine.",
            seen=ascii(text),
            wanted="letters A-Z a-z, digits and ! _ . * ( ) / - = @ : , + & $ ;",
            help="Take another folder of the bucket for the store.",
        )
    return text


def fill_template(template: str, *paths: str) -> str:
    """Return an intrinsic that fills each ``{}`` of a template from state data; of ``{}`` alone, the path."""
    if template == "{}" and len(paths) == 1:
        return paths[0]
    return f"States.Format('{template}', {', '.join(paths)})"
