"""``package info``, ``package list`` and ``package save``."""

import os

from flow_sdk.cli.arguments import Argument, Command, Option
from flow_sdk.cli.call import Call, check_writable, write_file

__all__ = ["COMMANDS"]


def _info(call: Call) -> int:
    import hashlib

    from flow_sdk.store.package import SUFFIXES, list_files

    package = call.package()
    files = list_files(package)
    print(f"folder:   {call.folder}")
    print(f"suffixes: {', '.join((*SUFFIXES, *call.suffixes))}")
    print(f"files:    {len(files)}, {sum(file.size for file in files)} bytes")
    print(f"package:  {len(package)} bytes, sha256 {hashlib.sha256(package).hexdigest()}")
    return 0


def _list(call: Call) -> int:
    from flow_sdk.store.package import find_files

    for file in find_files(call.folder, suffixes=call.suffixes):
        print(file.name if call["archive"] else os.path.join(call.folder, file.name))
    return 0


def _save(call: Call) -> int:
    path = call.words[0]
    check_writable(path)
    package = call.package(leave_out=(path,))
    write_file(path, package)
    call.say(f"The code package is in {path}: a zip of {len(package)} bytes.")
    return 0


COMMANDS = {
    "package info": Command(_info),
    "package list": Command(
        _list, options=[Option("archive", "Print the paths as they are in the package.", flag=True)]
    ),
    "package save": Command(_save, arguments=[Argument("FILE", "The file to write, a zip.")]),
}
