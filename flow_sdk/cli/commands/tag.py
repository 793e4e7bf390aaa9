"""``tag add``, ``tag remove``, ``tag replace`` and ``tag list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.errors import UsageError
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from flow_sdk.metadata.runs import Runs

__all__ = ["COMMANDS"]


def _change_tags(context: CommandContext, add: tuple[str, ...], remove: tuple[str, ...]) -> int:
    from flow_sdk.metadata.tags import check_tags
    from flow_sdk.text import quote_unprintable

    run = context["run-id"]
    if run is None:
        raise UsageError(f"{context.line.name} needs --run-id.", wanted="the id of a run, such as --run-id 5")
    run = run.removeprefix(f"{context.flow}/")
    check_tags(add, reserved=True)
    runs = _open_runs(context)
    runs.read(context.flow, run)
    before = runs.user_tags(context.flow, run)
    if add and remove:
        runs.replace_tags(context.flow, run, remove, add)
    elif add:
        runs.add_tags(context.flow, run, add)
    else:
        runs.remove_tags(context.flow, run, remove)
    missing = [quote_unprintable(tag) for tag in dict.fromkeys(remove) if tag not in before]
    if missing:
        context.log(f"{context.flow}/{run} didn't have the tag{'' if len(missing) == 1 else 's'} {', '.join(missing)}.")
    tags = ", ".join(map(quote_unprintable, runs.user_tags(context.flow, run)))
    context.log(f"{context.flow}/{run} now has " + (f"the tags {tags}." if tags else "no user tags."))
    return 0


def _open_runs(context: CommandContext) -> Runs:
    from flow_sdk.metadata.runs import Runs
    from flow_sdk.store.open_store import open_store

    return Runs(open_store(context.store.root, create=False))


def _add_tags(context: CommandContext) -> int:
    return _change_tags(context, tuple(context.line.words), ())


def _remove_tags(context: CommandContext) -> int:
    return _change_tags(context, (), tuple(context.line.words))


def _replace_tags(context: CommandContext) -> int:
    if not context["add"] or not context["remove"]:
        raise UsageError("tag replace needs both --add and --remove.")
    return _change_tags(context, context["add"], context["remove"])


def _list_tags(context: CommandContext) -> int:
    from flow_sdk.client.command_text import find_runs, tag_lines
    from flow_sdk.client.context import get_namespace, namespace

    run = context.line.words[0] if context.line.words else context["run-id"]
    if sum((run is not None, context["all"], context["my-runs"])) > 1:
        raise UsageError("Choose one of a run, --all and --my-runs.")
    if context["namespace"] is not None:
        namespace(context["namespace"] or None)
    mine = get_namespace() if context["my-runs"] else None
    found = find_runs(
        context.flow,
        run=None if run is None else run.removeprefix(f"{context.flow}/"),
        everyone=context["all"] or (context["my-runs"] and mine is None),
        tag=mine,
        store=context.store.existing_root(),
    )
    if context["output"] == "json":
        from flow_sdk.client.command_data import tag_data

        print_json({"flow": context.flow, "runs": [tag_data(each) for each in found]})
        return 0
    if run is None and not context["all"] and not context["my-runs"]:
        context.log(f"Tags of {found[0].pathspec}, the newest run in namespace {get_namespace() or '(all)'}:")
    options = {
        name.replace("-", "_"): context[name] for name in ("hide-system-tags", "group-by-tag", "group-by-run", "flat")
    }
    for line in tag_lines(found, **options):
        print(line)
    return 0


RUN = Option("run-id", "The run.", metavar="RUN")
TAGS = Argument("TAG", "A tag.", repeat=True)

COMMANDS = {
    "tag add": Command(_add_tags, arguments=[TAGS], options=[RUN]),
    "tag remove": Command(_remove_tags, arguments=[TAGS], options=[RUN]),
    "tag replace": Command(
        _replace_tags,
        options=[
            RUN,
            Option("add", "Tag to add.", metavar="TAG", repeat=True),
            Option("remove", "Tag to remove.", metavar="TAG", repeat=True),
        ],
    ),
    "tag list": Command(
        _list_tags,
        arguments=[Argument("RUN", "The run; the newest one of your own when left out.", required=False)],
        options=[
            RUN,
            Option("all", "All runs of the flow.", flag=True),
            Option("my-runs", "All runs of your namespace.", flag=True),
            Option("hide-system-tags", "Show user tags only.", flag=True),
            Option("group-by-tag", "Show for each tag its runs.", flag=True),
            Option("group-by-run", "Show for each run its tags.", flag=True),
            Option("flat", "Show one tag a line and nothing else.", flag=True),
            OUTPUT,
        ],
    ),
}
