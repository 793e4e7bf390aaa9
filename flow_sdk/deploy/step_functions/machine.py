"""One state machine in AWS: its versions, and the alias through which it is started."""

import json
from dataclasses import replace
from typing import Any

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.step_functions.account import AwsAccount
from flow_sdk.deploy.step_functions.names import NAME_TAG, tag_value
from flow_sdk.errors import AwsError, DeployError

__all__ = ["ALIAS", "StateMachine"]

ALIAS = "live"
"""The alias through which people and schedules start the state machine."""

KEPT = 100
"""Versions that stay when AWS's limit of 1,000 for a state machine is reached."""

_MISSING = {"StateMachineDoesNotExist", "ResourceNotFound"}


class StateMachine:
    """The state machine of a deployed name.

    Parameters
    ----------
    name : str
        The deployed name.
    account : AwsAccount
        Account and region.
    states : botocore client
        Of the service Step Functions.
    """

    def __init__(self, name: str, account: AwsAccount, states: Any) -> None:
        self.deployed_name, self.account, self.states = name, account, states
        self.name = account.name_of(name)
        self.arn = account.machine_arn(self.name)
        self.alias_arn = f"{self.arn}:{ALIAS}"

    def describe_machine(self, version: int | None = None) -> dict[str, Any] | None:
        """What AWS holds of it, or of one of its versions; None when there is no such thing.

        Raises
        ------
        AwsError
            If AWS can't be asked.
        """
        arn = self.arn if version is None else f"{self.arn}:{version}"
        return self._ask_states("look at the state machine", arn, "describe_state_machine", stateMachineArn=arn)

    def find_existing(self) -> dict[str, Any] | None:
        """What AWS holds of it, known to be ours; None when there's no state machine of the name.

        Raises
        ------
        DeployError
            If it wasn't made by Flow SDK, or for another deployed name.
        AwsError
            If AWS can't be asked.
        """
        found = self.describe_machine()
        if found is None:
            return None
        with aws_errors("read the tags of the state machine", where=self.arn):
            tags = {
                tag["key"]: tag["value"] for tag in self.states.list_tags_for_resource(resourceArn=self.arn)["tags"]
            }
        if tags.get(NAME_TAG) != tag_value(self.deployed_name):
            raise DeployError(
                f"There is a state machine {self.name} that Flow SDK hasn't made. Nothing was changed.",
                seen=f"the tag {NAME_TAG} {repr(tags[NAME_TAG]) if NAME_TAG in tags else 'is missing'}",
                wanted=f"{NAME_TAG} = {tag_value(self.deployed_name)}",
                where=self.arn,
                help="Deploy under another --name; or delete that state machine, if it isn't needed.",
            )
        return found

    def find_unprefixed(self) -> str | None:
        """Name of the state machine that the flow was deployed as before names had a prefix; None when there is none.

        Raises
        ------
        AwsError
            If AWS can't be asked. For a user who may not read state machines there is none.
        """
        if not self.account.prefix:
            return None
        earlier = StateMachine(self.deployed_name, replace(self.account, prefix=""), self.states)
        try:
            return None if earlier.find_existing() is None else earlier.name
        except DeployError:
            return None
        except AwsError as error:
            if error.code in ("AccessDenied", "AccessDeniedException"):
                return None
            raise

    def is_different(self, found: dict[str, Any], definition: str, role: str, logging: dict[str, Any]) -> bool:
        """Return whether what AWS holds isn't what is wanted."""
        same = json.loads(found["definition"]) == json.loads(definition) and found["roleArn"] == role
        return not same or _comparable_logging(found.get("loggingConfiguration")) != _comparable_logging(logging)

    def put_version(self, definition: str, role: str, logging: dict[str, Any]) -> tuple[int, bool]:
        """Create or update it, with a version of what it is now.

        A version that a killed call has not made is made now: AWS makes one for each revision only.

        Returns
        -------
        (int, bool)
            The version's number, and whether anything had to be changed.

        Raises
        ------
        DeployError
            If the name belongs to a state machine that Flow SDK hasn't made.
        AwsError
            If AWS refuses.
        """
        found = self.find_existing()
        wanted = {"definition": definition, "roleArn": role, "loggingConfiguration": logging}
        if found is None:
            tags = [{"key": NAME_TAG, "value": tag_value(self.deployed_name)}]
            with aws_errors(f"create the state machine {self.name}", where=self.arn):
                made = self.states.create_state_machine(
                    name=self.name, type="STANDARD", tags=tags, publish=True, **wanted
                )
        elif self.is_different(found, definition, role, logging):
            made = self._publish_version("update", self.states.update_state_machine, publish=True, **wanted)
        else:
            made = self._publish_version("publish a version of", self.states.publish_state_machine_version)
            return _version_number(made["stateMachineVersionArn"]), False
        return _version_number(made["stateMachineVersionArn"]), True

    def _publish_version(self, verb: str, call: Any, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        with aws_errors(f"{verb} the state machine {self.name}", where=self.arn):
            try:
                made: dict[str, Any] = call(stateMachineArn=self.arn, **arguments)
            except ClientError as error:
                if error_code(error) != "ServiceQuotaExceededException" or not self._prune_versions():
                    raise
                made = call(stateMachineArn=self.arn, **arguments)
        return made

    def _prune_versions(self) -> bool:
        """Delete the oldest versions; their running executions continue. Return False if there's nothing to delete."""
        live = self.find_live()
        old = [number for number in self.list_versions()[KEPT:] if number != live]
        for number in old:
            self.states.delete_state_machine_version(stateMachineVersionArn=f"{self.arn}:{number}")
        return bool(old)

    def list_versions(self) -> list[int]:
        """The numbers of its versions, newest first.

        Raises
        ------
        AwsError
            If AWS can't be asked.
        """
        found: list[int] = []
        token: dict[str, str] = {}
        with aws_errors("list the versions of the state machine", where=self.arn):
            while True:
                page = self.states.list_state_machine_versions(stateMachineArn=self.arn, maxResults=1000, **token)
                found += [
                    _version_number(version["stateMachineVersionArn"]) for version in page["stateMachineVersions"]
                ]
                if not page.get("nextToken"):
                    return sorted(found, reverse=True)
                token = {"nextToken": page["nextToken"]}

    def find_live(self) -> int | None:
        """The version that the alias of the existing state machine leads to; None when there is no alias.

        Raises
        ------
        AwsError
            If AWS can't be asked.
        """
        routes = sorted(self._alias_routes() or (), key=lambda route: -int(route["weight"]))
        return _version_number(routes[0]["stateMachineVersionArn"]) if routes else None

    def _alias_routes(self) -> list[dict[str, Any]] | None:
        """Where the alias leads; None when there is none."""
        arn = self.alias_arn
        with aws_errors("look at the alias", where=arn):
            # Asked for an alias that isn't there, AWS answers with one of several errors.
            known = self.states.list_state_machine_aliases(stateMachineArn=self.arn, maxResults=1000)
            if all(alias["stateMachineAliasArn"] != arn for alias in known["stateMachineAliases"]):
                return None
            found = self.states.describe_state_machine_alias(stateMachineAliasArn=arn)
        routes: list[dict[str, Any]] = found["routingConfiguration"]
        return routes

    def point_alias(self, version: int) -> bool:
        """Make the alias lead to a version, and to nothing else. Returns whether it did not before.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        routes = [{"stateMachineVersionArn": f"{self.arn}:{version}", "weight": 100}]
        arn = self.alias_arn
        before = self._alias_routes()
        if before == routes:
            return False
        with aws_errors(f"move the alias {ALIAS} to version {version}", where=arn):
            if before is None:
                self.states.create_state_machine_alias(name=ALIAS, routingConfiguration=routes)
            else:
                self.states.update_state_machine_alias(stateMachineAliasArn=arn, routingConfiguration=routes)
        return True

    def delete_machine(self) -> None:
        """Delete it with its versions. AWS does so once no execution runs any more.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        with aws_errors(f"delete the state machine {self.name}", where=self.arn):
            self.states.delete_state_machine(stateMachineArn=self.arn)

    def delete_alias(self) -> None:
        """Delete the alias: nothing starts through it any more.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        if self._alias_routes() is not None:
            with aws_errors(f"delete the alias {ALIAS}", where=self.alias_arn):
                self.states.delete_state_machine_alias(stateMachineAliasArn=self.alias_arn)

    def _ask_states(self, doing: str, where: str, call: str, **arguments: Any) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        with aws_errors(doing, where=where):
            try:
                found: dict[str, Any] = getattr(self.states, call)(**arguments)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                raise
        return found


def _version_number(version_arn: str) -> int:
    return int(version_arn.rpartition(":")[2])


def _comparable_logging(found: dict[str, Any] | None) -> tuple[str, bool, str]:
    """A logging configuration in the form in which two can be compared: AWS leaves out what is off."""
    found = found or {}
    groups = [each["cloudWatchLogsLogGroup"]["logGroupArn"] for each in found.get("destinations", ())]
    return found.get("level", "OFF"), bool(found.get("includeExecutionData", False)), ",".join(groups)
