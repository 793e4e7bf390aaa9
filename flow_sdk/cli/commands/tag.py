"""``tag add``, ``tag remove``, ``tag replace`` and ``tag list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_sdk.cli.context import Call
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.errors import UsageError
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from flow_sdk.metadata.runs import Runs

__all__ = ["COMMANDS"]


def _change(call: Call, add: tuple[str, ...], remove: tuple[str, ...]) -> int:
    from flow_sdk.metadata.tags import check_tags
    from flow_sdk.text import quote_unprintable

    run = call["run-id"]
    if run is None:
        raise UsageError(f"{call.name} needs --run-id.", wanted="the id of a run, such as --run-id 5")
    run = run.removeprefix(f"{call.flow}/")
    check_tags(add, reserved=True)
    runs = _runs(call)
    runs.read(call.flow, run)
    before = runs.user_tags(call.flow, run)
    if add and remove:
        runs.replace_tags(call.flow, run, remove, add)
    elif add:
        runs.add_tags(call.flow, run, add)
    else:
        runs.remove_tags(call.flow, run, remove)
    missing = [quote_unprintable(tag) for tag in dict.fromkeys(remove) if tag not in before]
    if missing:
        call.say(f"{call.flow}/{run} didn't have the tag{'' if len(missing) == 1 else 's'} {', '.join(missing)}.")
    tags = ", ".join(map(quote_unprintable, runs.user_tags(call.flow, run)))
    call.say(f"{call.flow}/{run} now has " + (f"the tags {tags}." if tags else "no user tags."))
    return 0


def _runs(call: Call) -> Runs:
    from flow_sdk.metadata.runs import Runs
    from flow_sdk.store.open_store import open_store

    return Runs(open_store(call.root, create=False))


def _add(call: Call) -> int:
    return _change(call, tuple(call.words), ())


def _remove(call: Call) -> int:
    return _change(call, (), tuple(call.words))


def _replace(call: Call) -> int:
    if not call["add"] or not call["remove"]:
        raise UsageError("tag replace needs both --add and --remove.")
    return _change(call, call["add"], call["remove"])


def _list(call: Call) -> int:
    from flow_sdk.client import context
    from flow_sdk.client.command_text import find_runs, tag_lines

    run = call.words[0] if call.words else call["run-id"]
    if sum((run is not None, call["all"], call["my-runs"])) > 1:
        raise UsageError("Choose one of a run, --all and --my-runs.")
    if call["namespace"] is not None:
        context.namespace(call["namespace"] or None)
    mine = context.get_namespace() if call["my-runs"] else None
    found = find_runs(
        call.flow,
        run=None if run is None else run.removeprefix(f"{call.flow}/"),
        everyone=call["all"] or (call["my-runs"] and mine is None),
        tag=mine,
        store=call.results(),
    )
    if call["output"] == "json":
        from flow_sdk.client.command_data import tag_data

        print_json({"flow": call.flow, "runs": [tag_data(each) for each in found]})
        return 0
    if run is None and not call["all"] and not call["my-runs"]:
        call.say(f"Tags of {found[0].pathspec}, the newest run in namespace {context.get_namespace() or '(all)'}:")
    options = {
        name.replace("-", "_"): call[name] for name in ("hide-system-tags", "group-by-tag", "group-by-run", "flat")
    }
    for line in tag_lines(found, **options):
        print(line)
    return 0


RUN = Option("run-id", "The run.", metavar="RUN")
TAGS = Argument("TAG", "A tag.", repeat=True)

COMMANDS = {
    "tag add": Command(_add, arguments=[TAGS], options=[RUN]),
    "tag remove": Command(_remove, arguments=[TAGS], options=[RUN]),
    "tag replace": Command(
        _replace,
        options=[
            RUN,
            Option("add", "Tag to add.", metavar="TAG", repeat=True),
            Option("remove", "Tag to remove.", metavar="TAG", repeat=True),
        ],
    ),
    "tag list": Command(
        _list,
        arguments=[Argument("RUN", "The run; the newest one of your own when left out.", required=False)],
        options=[
            RUN,
            Option("all", "Look at all runs of the flow.", flag=True),
            Option("my-runs", "Look at all runs of your namespace.", flag=True),
            Option("hide-system-tags", "Show user tags only.", flag=True),
            Option("group-by-tag", "Show for each tag its runs.", flag=True),
            Option("group-by-run", "Show for each run its tags.", flag=True),
            Option("flat", "Show one tag a line and nothing else.", flag=True),
            OUTPUT,
        ],
    ),
}
