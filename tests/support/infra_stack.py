"""The template of infra/ as a stack of moto's CloudFormation, and callers with the rights that it gives."""

import ast
import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from tests.support.moto import ACCOUNT, MotoServer

__all__ = [
    "INFRA",
    "TEMPLATE",
    "actions",
    "as_user",
    "clients",
    "enforce",
    "load_template",
    "make_stack",
    "managed_policy",
    "role_policy",
    "terraform_actions",
]

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATE = INFRA / "cloudformation" / "flow-sdk.yaml"
SERVICE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"


def load_template() -> dict[str, Any]:
    """The template as data, its short functions spelled out."""
    from cfnlint.decode import decode

    found, problems = decode(str(TEMPLATE))
    assert not problems
    return json.loads(json.dumps(found))


def actions(document: dict[str, Any]) -> dict[str, frozenset[str]]:
    """What the statements of a policy allow, by their ids."""
    return {statement["Sid"]: frozenset(statement["Action"]) for statement in document["Statement"]}


def clients(moto: MotoServer, service: str, **keys: str) -> Any:
    """A boto3 client of moto's."""
    env = moto.env()
    keys = keys or {"aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "secret"}
    return boto3.client(service, endpoint_url=moto.url, region_name=env["AWS_DEFAULT_REGION"], **keys)


def make_stack(moto: MotoServer, name: str, **parameters: str) -> dict[str, str]:
    """Create the stack in the default VPC; returns its outputs."""
    ec2, cloudformation = clients(moto, "ec2"), clients(moto, "cloudformation")
    found = {
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "SubnetIds": ",".join(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]),
        **parameters,
    }
    # AWS takes its own service-linked role where none is named; moto wants one.
    clients(moto, "iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
    mark = "      ReplaceComputeEnvironment: false\n"
    text = TEMPLATE.read_text(encoding="utf-8")
    assert text.count(mark) == 1
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=text.replace(mark, f"{mark}      ServiceRole: {SERVICE_ROLE}\n"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in found.items()],
    )
    for _ in range(100):
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def role_policy(moto: MotoServer, arn: str) -> dict[str, Any]:
    """The one policy of a role."""
    iam, role = clients(moto, "iam"), arn.rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return _document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def managed_policy(moto: MotoServer, arn: str) -> dict[str, Any]:
    """A managed policy."""
    iam = clients(moto, "iam")
    return _document(iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"])


def _document(found: Any) -> dict[str, Any]:
    # moto hands on what its CloudFormation made of the template, Python's way of writing it.
    return found if isinstance(found, dict) else ast.literal_eval(urllib.parse.unquote(found))


def as_user(moto: MotoServer, name: str, policy: dict[str, Any]) -> dict[str, str]:
    """Keys of a user with the rights of a policy: a role can be assumed by its service alone."""
    iam = clients(moto, "iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}


def enforce(moto: MotoServer) -> None:
    """From now on moto looks at who asks, and whether they may."""
    address, kind = f"{moto.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    request = urllib.request.Request(address, data=b"0", headers=kind, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def terraform_actions(name: str) -> dict[str, frozenset[str]]:
    """Actions by statement id of a policy document in the Terraform files."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((INFRA / "terraform").glob("*.tf")))
    block = re.search(rf'^data "aws_iam_policy_document" "{name}" {{\n(.*?)^}}', text, re.MULTILINE | re.DOTALL)
    assert block is not None, name
    found = {}
    for statement in block[1].split("  statement {\n")[1:]:
        sid, actions = (
            re.search(r'sid\s*=\s*"(\w+)"', statement),
            re.search(r"actions\s*= \[(.*?)\]", statement, re.S),
        )
        assert sid is not None and actions is not None
        found[sid[1]] = frozenset(re.findall(r'"([^"]+)"', actions[1]))
    return found
