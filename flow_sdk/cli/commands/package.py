"""``package info``, ``package list`` and ``package save``."""

import os

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.user_files import check_writable, write_file
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]


def _show_info(context: CommandContext) -> int:
    import hashlib

    from flow_sdk.store.package.archive import SUFFIXES, list_files

    layout, package = context.code.layout, context.code.build_package()
    files = list_files(package)
    if context["output"] == "json":
        print_json(
            {
                "flow": context.flow,
                "root": layout.root,
                "file": layout.file,
                "module": context.entry.module or None,
                "paths": list(layout.paths),
                "suffixes": [*SUFFIXES, *context.suffixes],
                "files": len(files),
                "files_size": sum(file.size for file in files),
                "size": len(package),
                "sha256": hashlib.sha256(package).hexdigest(),
            }
        )
        _log_warnings(context)
        return 0
    print(f"folder:   {layout.root}" + (f", of it {layout.only}" if layout.only else ""))
    print(f"flow:     {layout.file}{_execution_text(context)}")
    if layout.paths:
        print(f"imports:  from {', '.join(layout.paths)}")
    print(f"suffixes: {', '.join((*SUFFIXES, *context.suffixes))}")
    print(f"files:    {len(files)}, {sum(file.size for file in files)} bytes")
    print(f"package:  {len(package)} bytes, sha256 {hashlib.sha256(package).hexdigest()}")
    _log_warnings(context)
    return 0


def _execution_text(context: CommandContext) -> str:
    """Return how a worker executes the flow file."""
    entry = context.entry
    if not entry.module:
        return ""
    return f", {'imported as' if entry.imported else 'executed as python -m'} {entry.module}"


def _list_files(context: CommandContext) -> int:
    files = context.code.list_files()
    if context["output"] == "json":
        listed = [{"name": file.name, "path": file.path, "size": file.size} for file in files]
        print_json({"flow": context.flow, "root": context.code.layout.root, "files": listed})
        _log_warnings(context)
        return 0
    sizes = [f"{file.size:,}" for file in files]
    width = max(map(len, sizes), default=0)
    for file, size in zip(files, sizes, strict=True):
        print(
            f"{size:>{width}}  {file.name if context['archive'] else os.path.join(context.code.layout.root, file.name)}"
        )
    from flow_sdk.cli.code_package import size_text

    context.log(f"{len(files)} file{'s' if len(files) != 1 else ''}, {size_text(sum(file.size for file in files))}.")
    _log_warnings(context)
    return 0


def _log_warnings(context: CommandContext) -> None:
    """Log what a deployment would refuse or warn of."""
    from flow_sdk.errors import UsageError

    files = context.code.list_files()
    for line in context.code.find_warnings(files):
        context.log(line)
    try:
        context.code.check_modules(files)
    except UsageError as error:
        context.log(f"Warning: {error}")


def _save_package(context: CommandContext) -> int:
    path = context.line.words[0]
    check_writable(path)
    package = context.code.build_package(leave_out=(path,))
    write_file(path, package)
    context.log(f"The code package is in {path}: a zip of {len(package)} bytes.")
    return 0


COMMANDS = {
    "package info": Command(_show_info, options=[OUTPUT]),
    "package list": Command(
        _list_files, options=[Option("archive", "Print the paths as they are in the package.", flag=True), OUTPUT]
    ),
    "package save": Command(_save_package, arguments=[Argument("FILE", "The file to write, a zip.")]),
}
