"""The errors of a command that was started, as errors here."""

import re

from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.programmatic.process import Process

__all__ = ["failure"]

_FIELD = re.compile(r"  (seen|wanted|where|help): +(.*)")


def failure(process: Process, kind: type[FlowSDKError], what: str) -> FlowSDKError:
    """Make the error of a command that failed.

    Parameters
    ----------
    process : Process
        The command; it has ended.
    kind : type
        The error's class, where it isn't a wrong use.
    what : str
        What has failed, in case that the command didn't say.
    """
    lines = process.text("stderr").rstrip().split("\n")
    start = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith("error: ")), None)
    wrong = UsageError if process.returncode == 2 else kind
    if start is None:
        text = "\n".join(lines[-40:]).strip()
        return wrong(f"{what} (exit code {process.returncode}).", seen=text or None)
    headline, fields, last = lines[start].removeprefix("error: "), {}, ""
    for line in lines[start + 1 :]:
        found = _FIELD.match(line)
        if found is not None:
            last = found[1]
            fields[last] = found[2]
        elif last:
            fields[last] += "\n" + line
        else:
            headline += "\n" + line
    return wrong(headline, **fields)
