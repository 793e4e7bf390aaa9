"""``package info``, ``package list`` and ``package save``."""

import os

from flow_sdk.cli.context import Call
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.user_files import check_writable, write_file
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]


def _info(call: Call) -> int:
    import hashlib

    from flow_sdk.store.package.archive import SUFFIXES, list_files

    layout, package = call.code.layout, call.code.build()
    files = list_files(package)
    if call["output"] == "json":
        print_json(
            {
                "flow": call.flow,
                "root": layout.root,
                "file": layout.file,
                "module": call.entry.module or None,
                "paths": list(layout.paths),
                "suffixes": [*SUFFIXES, *call.suffixes],
                "files": len(files),
                "files_size": sum(file.size for file in files),
                "size": len(package),
                "sha256": hashlib.sha256(package).hexdigest(),
            }
        )
        _warn(call)
        return 0
    print(f"folder:   {layout.root}" + (f", of it {layout.only}" if layout.only else ""))
    print(f"flow:     {layout.file}{_executed(call)}")
    if layout.paths:
        print(f"imports:  from {', '.join(layout.paths)}")
    print(f"suffixes: {', '.join((*SUFFIXES, *call.suffixes))}")
    print(f"files:    {len(files)}, {sum(file.size for file in files)} bytes")
    print(f"package:  {len(package)} bytes, sha256 {hashlib.sha256(package).hexdigest()}")
    _warn(call)
    return 0


def _executed(call: Call) -> str:
    """How a worker executes the flow file."""
    entry = call.entry
    if not entry.module:
        return ""
    return f", {'imported as' if entry.imported else 'executed as python -m'} {entry.module}"


def _list(call: Call) -> int:
    files = call.code.files()
    if call["output"] == "json":
        listed = [{"name": file.name, "path": file.path, "size": file.size} for file in files]
        print_json({"flow": call.flow, "root": call.code.layout.root, "files": listed})
        _warn(call)
        return 0
    sizes = [f"{file.size:,}" for file in files]
    width = max(map(len, sizes), default=0)
    for file, size in zip(files, sizes, strict=True):
        print(f"{size:>{width}}  {file.name if call['archive'] else os.path.join(call.code.layout.root, file.name)}")
    from flow_sdk.cli.code_package import size_text

    call.say(f"{len(files)} file{'s' if len(files) != 1 else ''}, {size_text(sum(file.size for file in files))}.")
    _warn(call)
    return 0


def _warn(call: Call) -> None:
    """Say what a deployment would refuse or warn of."""
    from flow_sdk.errors import UsageError

    files = call.code.files()
    for line in call.code.warnings(files):
        call.say(line)
    try:
        call.code.check_modules(files)
    except UsageError as error:
        call.say(f"Warning: {error}")


def _save(call: Call) -> int:
    path = call.words[0]
    check_writable(path)
    package = call.code.build(leave_out=(path,))
    write_file(path, package)
    call.say(f"The code package is in {path}: a zip of {len(package)} bytes.")
    return 0


COMMANDS = {
    "package info": Command(_info, options=[OUTPUT]),
    "package list": Command(
        _list, options=[Option("archive", "Print the paths as they are in the package.", flag=True), OUTPUT]
    ),
    "package save": Command(_save, arguments=[Argument("FILE", "The file to write, a zip.")]),
}
