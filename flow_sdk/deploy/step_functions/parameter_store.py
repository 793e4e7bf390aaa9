"""The claim on a deployed name in the SSM Parameter Store, for those who deploy to the account from another store.

It holds no token. The first claim is made only if there is none; a later one replaces exactly the version that was
read. SSM has no compare-and-set: each write returns its version's number, and one that isn't the next puts back
what it has overwritten.
"""

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.claims import Claim
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.names import parameter_name
from flow_sdk.errors import DeployError

__all__ = ["ParameterStore"]


class ParameterStore:
    """A :class:`~flow_sdk.deploy.claims.TokenRegistry` in SSM.

    Parameters
    ----------
    services : AwsServices
        The AWS account.
    """

    def __init__(self, services: AwsServices) -> None:
        self.services = services
        self._read: dict[str, int] = {}

    @property
    def location(self) -> str:
        """Account and region, for people."""
        return f"the SSM Parameter Store of {self.services.account}"

    def read_claim(self, name: str) -> Claim | None:
        """The claim kept for a deployed name."""
        claim, self._read[name] = self._read_parameter(parameter_name(name))
        return claim

    def _read_parameter(self, parameter: str) -> tuple[Claim | None, int]:
        from botocore.exceptions import ClientError

        with aws_errors("read the claim on the name in the SSM Parameter Store", where=parameter):
            try:
                found = self.services.ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
            except ClientError as error:
                if error_code(error) in ("ParameterNotFound", "ParameterVersionNotFound"):
                    return None, 0
                raise
        return Claim.from_json(found["Value"], f"SSM parameter {parameter} of {self.services.account}"), int(
            found["Version"]
        )

    def write_claim(self, claim: Claim) -> None:
        """Keep a claim in place of the one that was read last, or of none.

        Raises
        ------
        DeployError
            If another deployment has written meanwhile; its claim stays.
        """
        from botocore.exceptions import ClientError

        parameter = parameter_name(claim.name)
        if claim.name not in self._read:
            self.read_claim(claim.name)
        before = self._read[claim.name]
        with aws_errors("keep the claim on the name in the SSM Parameter Store", where=parameter):
            try:
                version = self._write_parameter(parameter, claim, overwrite=before > 0)
            except ClientError as error:
                if error_code(error) != "ParameterAlreadyExists":
                    raise
                version = -1
        if version != before + 1:
            self._restore_winner(parameter, claim, before, version)
        self._read[claim.name] = version

    def _write_parameter(self, parameter: str, claim: Claim, *, overwrite: bool) -> int:
        answer = self.services.ssm.put_parameter(
            Name=parameter,
            Value=claim.to_json(),
            Type="SecureString",
            Overwrite=overwrite,
            Description="Who deploys this flow; made by Flow SDK.",
        )
        return int(answer["Version"])

    def _restore_winner(self, parameter: str, claim: Claim, before: int, version: int) -> None:
        # The first write after the one we have read counts. All who lose put the same one back.
        winner = self._read_parameter(f"{parameter}:{before + 1}" if version > 0 else parameter)[0]
        if winner == claim:
            return
        if winner is not None and version > 0:
            with aws_errors("put back the claim on the name in the SSM Parameter Store", where=parameter):
                self._write_parameter(parameter, winner, overwrite=True)
        raise DeployError(
            f"{winner.owner_text if winner else 'Another user'} has claimed {claim.name} at the same moment, "
            "from another store. Nothing was deployed.",
            where=f"SSM parameter {parameter} of {self.services.account}",
            help="To join them, deploy again with --authorize and their token; else under another name or branch.",
        )

    def remove_claim(self, name: str) -> bool:
        """Forget the claim on a name; returns whether there was one."""
        from botocore.exceptions import ClientError

        parameter = parameter_name(name)
        with aws_errors("delete the claim on the name in the SSM Parameter Store", where=parameter):
            try:
                self.services.ssm.delete_parameter(Name=parameter)
            except ClientError as error:
                if error_code(error) != "ParameterNotFound":
                    raise
                return False
        return True
