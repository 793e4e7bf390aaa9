"""Production tokens on the command line: their options and messages."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.context import CommandContext

if TYPE_CHECKING:
    from collections.abc import Collection

    from flow_sdk.deploy.claims import TokenRegistry
    from flow_sdk.deploy.tokens import DeployAuthorizer, Grant

__all__ = ["deployed_name", "naming_options", "print_token", "token_gate", "token_text"]

VARIABLE = "FLOW_SDK_AUTHORIZE"
"""The environment variable that does the same as ``--authorize``, for the jobs of a CI."""

_OMITTED = frozenset({"datastore", "datastore-root", "metadata", "quiet", "authorize", "generate-new-token", "output"})
"""Options that the line for others doesn't repeat: stated otherwise there, or of this one call alone."""


def deployed_name(context: CommandContext) -> str:
    """The name the flow is deployed under: that of project and branch, else what ``--name`` says, else the flow's.

    Raises
    ------
    UsageError
        If ``--name`` is given with ``@project``.
    """
    project = context.project
    if project is None:
        return str(context["name"] or context.flow)
    if context["name"] is not None:
        from flow_sdk.errors import UsageError

        raise UsageError(
            "--name can't be used with @project, where project and branch make the name.",
            seen=context["name"],
            help="Give --branch or --production instead.",
        )
    return project.deployed_name(context.flow)


def token_gate(context: CommandContext, name: str, registry: TokenRegistry | None) -> DeployAuthorizer:
    """Make the gate for a deployment under ``name`` from the options."""
    import os

    from flow_sdk import config
    from flow_sdk.deploy.claims import KnownTokens
    from flow_sdk.deploy.tokens import DeployAuthorizer
    from flow_sdk.errors import ConfigError

    try:
        home = config.settings_folder()
    except ConfigError:
        home = None
    given = context["authorize"]
    return DeployAuthorizer(
        name,
        config.user_name(),
        KnownTokens(home, name),
        registry=registry,
        authorize=os.environ.get(VARIABLE) or None if given is None else given,
        keep=given is not None,
        renew=context.line.values.get("generate-new-token", False),
    )


def token_text(name: str) -> str:
    """The production token of a deployed name, for people: what ``delete`` leaves."""
    from flow_sdk.authoring.project import claim_name, claim_text

    claimed = claim_name(name)
    shared = "" if claimed == name else ", which all its flows share,"
    return f"the production token of {claim_text(claimed)}{shared}"


def print_token(
    context: CommandContext, gate: DeployAuthorizer, location: str | None = None, omitted: Collection[str] = ()
) -> None:
    """Print what a new token is for; print nothing if the same one is used again.

    Parameters
    ----------
    context : CommandContext
        The command that deployed.
    gate : DeployAuthorizer
        What authorized it.
    location : str or None
        Where it was deployed to, for commands that take that as an argument.
    omitted : collection of str
        Options of the target that the line for others doesn't repeat.
    """
    grant = gate.grant
    if gate.memory_error is not None:
        reason = ", ".join(filter(None, (gate.memory_error.seen, gate.memory_error.where)))
        context.log(f"This machine can't keep the token ({reason}): give it with each deployment.")
    if grant is None:
        return
    _print_move(context, gate, grant)
    if not (grant.first or grant.renewed):
        return
    shared = gate.text != gate.name
    if grant.first:
        context.log(
            f"This is the first deployment of {gate.text}: it gets a production token and a namespace of its own"
            + (", which all its flows share." if shared else ".")
        )
    else:
        context.log(
            f"{gate.text} has a new production token; the old one no longer counts. Its new namespace is empty."
        )
        if shared:
            context.log("Any other flow of it moves there with its next create.")
    own = context.project is not None and context.project.is_user  # others who say the same deploy their own branch
    title = "On another machine:   " if own else "For others to deploy: "
    context.log(
        f"  Namespace of its runs:  {grant.namespace}\n"
        f'  In a notebook:          namespace("{grant.namespace}")\n'
        f"  {title}  {_deploy_command(context, location, grant.token, omitted)}\n"
        "This machine holds the token now; on others --authorize is needed once."
    )


def _print_move(context: CommandContext, gate: DeployAuthorizer, grant: Grant) -> None:
    """Say how a flow that had a production token of its own comes to share that of its project's branch."""
    if grant.adopted is not None:
        context.log(
            f"All flows of {gate.text} share one production token from now on: that of {grant.adopted}, whose "
            "namespace stays."
        )
    if grant.left is not None:
        context.log(
            f"{gate.name} had a production token of its own. It shares that of {gate.text} now: its new runs are in "
            f"{grant.namespace}, the earlier ones stay in production:{grant.left}."
        )
    if grant.waiting:
        context.log(f"Deployed under tokens of their own until their next create: {', '.join(grant.waiting)}.")


def _deploy_command(context: CommandContext, location: str | None, token: str, omitted: Collection[str]) -> str:
    """The command that deploys the same from elsewhere: complete, to be pasted into a shell in the flow's folder."""
    import shlex

    from flow_sdk.cli.program import program_text
    from flow_sdk.cli.registry import GENERAL, load_command

    if context.in_notebook:
        return f"create(authorize={token!r})"
    words = [f"--datastore-root={context.store.root}"]
    if not uses_no_dynamic_features():
        from flow_sdk.cli.configs import given_words

        words += given_words(context.flow_class)
    for option in (*GENERAL, *load_command(context.line.name).options):
        if option.hidden or option.name in _OMITTED or option.name in omitted or option.name not in context.line.given:
            continue
        value = context[option.name]
        if option.flag:
            words.append(f"--{option.name}" if value else f"--no-{option.name}")
        else:
            words += [f"--{option.name}={one}" for one in (value if option.repeat else (value,))]
    words += [*context.line.name.split(), *([location] if location else []), f"--authorize={token}"]
    return " ".join([program_text(), *map(shlex.quote, words)])


def naming_options(context: CommandContext) -> str:
    """The options that name the deployment, for a command to be pasted into a shell."""
    import shlex

    words = [f" --{name} {shlex.quote(context[name])}" for name in ("name", "branch") if name in context.line.given]
    return "".join([*words, " --production"] if context["production"] else words)
