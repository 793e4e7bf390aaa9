"""``flow-sdk configure aws``: all settings that AWS needs, from a stack's outputs, from options or from answers."""

from __future__ import annotations

import os
import re
import sys

from flow_sdk import config
from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Command, Option
from flow_sdk.errors import ConfigError, FlowSDKError, UsageError
from flow_sdk.text import mask_userinfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["AWS_SETTINGS", "CONSOLE_COMMANDS"]

_ROLE = (r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+", "an ARN such as arn:aws:iam::123456789012:role/NAME")

AWS_SETTINGS = {
    "DATASTORE_SYSROOT_S3": (
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s/]+)*/?",
        "an address such as s3://bucket/prefix",
    ),
    "BATCH_JOB_QUEUE": (
        r"[A-Za-z0-9][\w-]{0,127}|arn:[a-z-]+:batch:[a-z0-9-]+:\d{12}:job-queue/[\w-]+",
        "a queue's name or ARN",
    ),
    "BATCH_IMAGE": (
        r"[a-z0-9][\w./:@-]*",
        "an image such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/flows:1",
    ),
    "BATCH_PLATFORM": ("EC2|FARGATE", "EC2 or FARGATE"),
    "BATCH_JOB_ROLE": _ROLE,
    "BATCH_EXECUTION_ROLE": _ROLE,
    "SFN_IAM_ROLE": _ROLE,
    "SFN_STATE_MACHINE_PREFIX": (
        r"[A-Za-z0-9][\w.-]{0,39}",
        "at most 40 letters, digits, _ . and -; the first one a letter or digit",
    ),
    "EVENTS_SFN_ACCESS_IAM_ROLE": _ROLE,
    "SFN_EXECUTION_LOG_GROUP_ARN": (
        r"arn:[a-z-]+:logs:[a-z0-9-]+:\d{12}:log-group:[\w./#-]+(:\*)?",
        "an ARN such as arn:aws:logs:eu-central-1:123456789012:log-group:NAME",
    ),
}
"""What ``configure aws`` sets: the form of each value, and that form in words."""

_PROFILE = Option("profile", "The profile to work on; the default one otherwise.", metavar="NAME")
_SOURCES = (
    Option("stack", "Take the values from the outputs of a CloudFormation stack.", metavar="NAME"),
    Option("terraform-output", "Take them from what terraform output -json printed (- for stdin).", metavar="FILE"),
)


def _option_name(name: str) -> str:
    return name.lower().replace("_", "-")


_VALUES = tuple(Option(_option_name(name), config.SETTINGS[name], metavar="VALUE") for name in AWS_SETTINGS)

_MADE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
"""States of a stack whose outputs hold."""


def _configure_aws(parsed: Parsed) -> int:
    if parsed.values["profile"] is not None:
        os.environ["FLOW_SDK_PROFILE"] = parsed.values["profile"]
    path = config.config_file()
    found = _read_given(parsed.values)
    asked = [name for name in AWS_SETTINGS if name not in found]
    if asked and sys.stdin.isatty() and sys.stdout.isatty():
        _ask_values(asked, found)
    if not found:
        raise UsageError(
            "There's nothing to set.",
            wanted="--stack NAME, --terraform-output FILE, or options such as --batch-job-queue",
            help="See flow-sdk configure aws --help. On a terminal each value is asked for.",
        )
    if "DATASTORE_SYSROOT_S3" in found:
        found["DEFAULT_DATASTORE"] = ("s3", "DATASTORE_SYSROOT_S3 is set")
    config.write_settings({name: value for name, (value, _) in found.items()})
    _print_report(path, found)
    return 0


def _read_given(values: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what options, a stack or Terraform give: value and source by setting."""
    found: dict[str, tuple[str, str]] = {}
    if values["stack"] is not None and values["terraform-output"] is not None:
        raise UsageError("--stack and --terraform-output can't be given together.")
    if values["stack"] is not None:
        source = f"stack {values['stack']}"
        found = {name: (value, source) for name, value in _stack_outputs(values["stack"]).items()}
    elif values["terraform-output"] is not None:
        source = f"Terraform, {values['terraform-output']}"
        found = {name: (value, source) for name, value in _terraform_outputs(values["terraform-output"]).items()}
    for name in AWS_SETTINGS:
        value = values[_option_name(name)]
        if value is not None:
            found[name] = (value, f"--{_option_name(name)}")
    for name, (value, source) in found.items():
        _check_value(name, value, source)
    return found


def _check_value(name: str, value: str, source: str | None = None) -> None:
    form, wanted = AWS_SETTINGS[name]
    if not re.fullmatch(form, value, re.ASCII):
        raise ConfigError(
            f"{name} can't be set to this.", seen=repr(mask_userinfo(value))[:200], wanted=wanted, where=source
        )


def _stack_outputs(stack: str) -> dict[str, str]:
    from flow_sdk.aws.clients import make_client
    from flow_sdk.aws.errors import aws_errors
    from flow_sdk.errors import AwsError

    cloudformation = make_client("cloudformation")
    try:
        with aws_errors(f"read the outputs of the stack {stack}", where=f"region {cloudformation.meta.region_name}"):
            made = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except AwsError as error:
        if "does not exist" in (error.seen or ""):
            error.help = "Check the name, AWS_PROFILE and AWS_DEFAULT_REGION."
        raise
    if made["StackStatus"] not in _MADE:
        raise ConfigError(
            f"The stack {stack} isn't ready.",
            seen=made["StackStatus"],
            wanted=" or ".join(_MADE[:2]),
            help="Wait until CloudFormation is done, or repair the stack first.",
        )
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in made.get("Outputs", ())}
    names = {"".join(word.capitalize() for word in name.split("_")): name for name in AWS_SETTINGS}
    return _require_outputs(f"stack {stack}", {names[key]: value for key, value in outputs.items() if key in names})


def _terraform_outputs(file: str) -> dict[str, str]:
    import json

    try:
        if file == "-":
            text = sys.stdin.read()
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read()
        outputs = {name: entry["value"] for name, entry in json.loads(text).items()}
    except OSError as error:
        raise ConfigError("The file can't be read.", seen=error.strerror, where=file) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(
            "This isn't what terraform output -json prints.",
            where=file,
            help="Write it with: terraform output -json > outputs.json",
        ) from None
    known = {name: outputs[name.lower()] for name in AWS_SETTINGS if outputs.get(name.lower()) is not None}
    return _require_outputs(file, {name: str(value) for name, value in known.items()})


def _require_outputs(where: str, found: dict[str, str]) -> dict[str, str]:
    if not found:
        raise ConfigError(
            "There's no output that is a setting of ours.",
            where=where,
            wanted="what the templates in infra/ have, such as the job queue",
            help="Check that it was made with one of them.",
        )
    return found


def _ask_values(names: Sequence[str], found: dict[str, tuple[str, str]]) -> None:
    """Ask for settings; Enter keeps what is there, or leaves it out. Nothing is written until all is answered."""
    print("Enter keeps the value in brackets, or leaves the setting out. Ctrl-C ends without writing.", file=sys.stderr)
    kept = config.file_settings()
    for name in names:
        while True:
            now = kept.get(name)
            try:
                value = input(f"{config.SETTINGS[name]}{f' [{now}]' if now else ''}: ").strip()
            except EOFError:
                raise UsageError("The input ended before all values were entered. Nothing was written.") from None
            if not value:
                break
            try:
                _check_value(name, value)
            except FlowSDKError as error:
                print(f"  {error.headline} Wanted: {error.wanted}", file=sys.stderr)
                continue
            found[name] = (value, "typed")
            break


def _print_report(path: str, found: dict[str, tuple[str, str]]) -> None:
    print(f"Written to {path}:")
    held = config.file_settings()
    width = max(map(len, held), default=0)
    for name in config.SETTINGS:
        if name in held:
            source = found[name][1] if name in found else "as before"
            print(f"  {name:<{width}}  {mask_userinfo(held[name])}  ({source})")
    for name in found:
        setting = config.read_setting(name)
        if setting.source != path:
            print(f"The {setting.source} wins over {name} as long as it is set.")
    missing = [name for name in ("DATASTORE_SYSROOT_S3", "BATCH_JOB_QUEUE", "BATCH_IMAGE") if name not in held]
    if missing:
        print(f"Still missing: {', '.join(missing)}.")
    profile = os.environ.get("FLOW_SDK_PROFILE")
    if profile:
        print(f"To work with it: export FLOW_SDK_PROFILE={profile}")
    print("See whether everything is there: flow-sdk doctor")


CONSOLE_COMMANDS = {
    "configure aws": Command(
        _configure_aws,
        options=(_PROFILE, *_SOURCES, *_VALUES),
        epilog=lambda: ("A value that isn't given is asked for, if there is a terminal.",),
    )
}
