"""``--config`` and ``--config-value``: configs on the command line and in the environment.

They are taken out of the line before it is parsed: each has two values, and mutators that depend on configs make the
parameters that the rest is parsed with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.configs import Declaration, flow_configs
from flow_sdk.authoring.parameters import declared_parameters
from flow_sdk.authoring.resolved_flow import ResolvedFlow, provide_configs, resolve_declarations
from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.plan.configs import ConfigSource, check_names, read_configs

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.cli.context import CommandContext

__all__ = ["config_rows", "from_environment", "given_words", "resolve_for_help", "take_configs", "use_origin"]

FORMS = {"--config": "path", "--config-value": "value"}
VARIABLES = {
    "path": ("FLOW_SDK_FLOW_CONFIG", "METAFLOW_FLOW_CONFIG"),
    "value": ("FLOW_SDK_FLOW_CONFIG_VALUE", "METAFLOW_FLOW_CONFIG_VALUE"),
}
"""Environment variables with a JSON object of paths or values by config name; the first that is set counts."""


class _Source:
    """Where a flow's configs come from; read when the first one is needed."""

    def __init__(self, flow_class: Any, given: dict[str, ConfigSource]) -> None:
        self.flow_class = flow_class
        self.given = given
        self.fixed: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        from flow_sdk import config
        from flow_sdk.authoring.parameters import DeployContext
        from flow_sdk.cli.terminal import print_message

        given = {**from_environment(self.flow_class, os.environ), **self.given}
        context = DeployContext(self.flow_class.__name__, config.user_name(), logger=print_message)
        return read_configs(self.flow_class, given, context, self.fixed)


def take_configs(flow_class: Any, argv: Sequence[str]) -> list[str]:
    """Remove the configs from a command line, and provide them to the flow.

    Parameters
    ----------
    flow_class : type
        The flow.
    argv : sequence of str
        The arguments without the program.

    Returns
    -------
    list of str
        The rest of them.

    Raises
    ------
    UsageError
        If an option lacks its values, a name is unknown, or a config is given twice.
    """
    if not flow_configs(flow_class):
        return list(argv)
    _check_parameters(flow_class)
    rest: list[str] = []
    given: dict[str, ConfigSource] = {}
    tokens = iter(argv)
    for token in tokens:
        option, equals, after = token.partition("=")
        if token == "--":
            rest += [token, *tokens]
        elif option not in FORMS:
            rest.append(token)
        else:
            name, text = after if equals else next(tokens, None), next(tokens, None)
            if name is None or text is None:
                what = "PATH" if FORMS[option] == "path" else "JSON"
                raise UsageError(f"{option} needs a name and a value.", wanted=f"{option} NAME {what}")
            check_names(flow_class, {name: None})
            _add_config(given, name, (FORMS[option], text))
    provide_configs(flow_class, _Source(flow_class, given))
    return rest


def _check_parameters(flow_class: Any) -> None:
    """Refuse parameters whose options would be those of the configs."""
    for parameter in declared_parameters(flow_class).values():
        if f"--{parameter.name.replace('_', '-')}" in FORMS:
            raise parameter.declaration_error("has a name that is taken in a flow with a Config", wanted="another name")


def _add_config(given: dict[str, ConfigSource], name: str, one: ConfigSource) -> None:
    before = given.setdefault(name, one)
    if before != one:
        seen = " and ".join(f"the {form} {text[:40]!r}" for form, text in (before, one))
        raise UsageError(f"The config {name!r} is given twice.", seen=seen)


def from_environment(flow_class: Any, environ: Mapping[str, str]) -> dict[str, ConfigSource]:
    """Return the configs that the environment gives.

    Raises
    ------
    UsageError
        If a variable isn't a JSON object, a name is unknown, or one config has both a path and a value.
    """
    found: dict[str, ConfigSource] = {}
    for form, variables in VARIABLES.items():
        variable = next((name for name in variables if environ.get(name)), None)
        if variable is None:
            continue
        try:
            values = json.loads(environ[variable])
        except ValueError:
            values = None
        if not isinstance(values, dict) or (form == "path" and not all(isinstance(v, str) for v in values.values())):
            raise UsageError(
                f"{variable} can't be used.",
                seen=environ[variable][:80],
                wanted='a JSON object such as {"config": "path.json"}' if form == "path" else "a JSON object",
            )
        try:
            check_names(flow_class, values)
            for name, value in values.items():
                _add_config(found, name, (form, value if isinstance(value, str) else json.dumps(value)))
        except UsageError as error:
            error.where = variable
            raise
    return found


def given_words(flow_class: Any) -> list[str]:
    """Return the options with which the command line gave configs."""
    source = vars(flow_class).get("__flow_configs__")
    forms = {form: option for option, form in FORMS.items()}
    given = source.given if isinstance(source, _Source) else {}
    return [word for name, (form, text) in given.items() for word in (forms[form], name, text)]


def use_origin(context: CommandContext, asked: str | None) -> None:
    """Provide a resumed flow with the configs of its origin; configs that the flow has since got are read.

    Raises
    ------
    UsageError
        If a config is given on the command line.
    NotFound
        If there is no such run.
    """
    declared = flow_configs(context.flow_class)
    if not declared:
        return
    source = vars(context.flow_class).get("__flow_configs__")
    if not isinstance(source, _Source):
        source = _Source(context.flow_class, {})
    if source.given:
        raise UsageError(
            "A resumed run has the configs of its origin.",
            seen=", ".join(source.given),
            help="Leave --config and --config-value out, or start a new run.",
        )
    from flow_sdk import config

    root, flow, user = context.store.root, context.flow, config.user_name()
    source.fixed = _configs_of(root, flow, user, asked)
    provide_configs(context.flow_class, source)


def _configs_of(root: str, flow: str, user: str, asked: str | None) -> dict[str, Any]:
    """Return the configs of the run that is resumed, by name."""
    from flow_sdk.metadata.runs import Runs
    from flow_sdk.runtime.resume.origin import find_origin
    from flow_sdk.store.open_store import open_store

    runs = Runs(open_store(root, create=False))
    plan = runs.read_plan(find_origin(runs, flow, user, asked)[0])
    return {found.name: found.value for found in plan.configs}


def resolve_for_help(flow_class: Any) -> None:
    """Resolve the flow for the help; if a config is missing or wrong, the help shows what is declared."""
    try:
        resolve_declarations(flow_class)
    except FlowSDKError:
        flow_class.__flow_resolved__ = ResolvedFlow.as_declared(flow_class)


def config_rows(flow_class: Any) -> list[tuple[str, str]]:
    """Return the rows of the help on configs; none for a flow without."""
    declared = flow_configs(flow_class)
    if not declared:
        return []
    return [
        ("--config NAME PATH", "Read a config from a file. May be given several times."),
        ("--config-value NAME JSON", "Give a config as text. May be given several times."),
        *((f"  {found.name}", _config_help(found)) for found in declared),
    ]


def _config_help(declared: Declaration) -> str:
    remarks = [" ".join(declared.help.split())]
    default = declared.default if declared.default is not None else declared.default_value
    if declared.required:
        remarks.append("[required]")
    elif declared.show_default and default is not None:
        text = (
            default if isinstance(default, str) else json.dumps(default) if isinstance(default, dict) else "worked out"
        )
        remarks.append(f"[default: {text}]")
    return " ".join(remark for remark in remarks if remark)
