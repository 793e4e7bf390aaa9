"""The Terraform files: valid, and applied to moto they make the roles that the CloudFormation template makes."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.infra_stack import INFRA, SERVICE_ROLE, clients, make_stack, managed_policy, role_policy
from tests.support.moto import MotoServer

pytestmark = [pytest.mark.aws, pytest.mark.terraform]

OVERRIDE = f"""
provider "aws" {{
  s3_use_path_style = true
}}

# AWS takes its own service-linked role where none is named; moto wants one.
resource "aws_batch_compute_environment" "jobs" {{
  service_role = "{SERVICE_ROLE}"
}}

# moto has none of AWS's own policies.
resource "aws_iam_role_policy_attachment" "machines" {{
  count = 0
}}

# The provider waits a minute for moto here.
resource "aws_s3_bucket_lifecycle_configuration" "store" {{
  count = 0
}}
"""


PLATFORMS = ("FARGATE", "EC2")


def checked_out(tmp_path):
    """The files in a folder of their own, with the provider from the folder that the environment names."""
    shutil.copytree(INFRA / "terraform", tmp_path / "terraform")
    mirror = json.dumps(os.environ["FLOW_TEST_TERRAFORM_PLUGINS"])
    settings = (
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\ndisable_checkpoint = true\n"
    )
    (tmp_path / "terraformrc").write_text(settings, encoding="utf-8")
    return tmp_path / "terraform"


def terraform(folder, *arguments, **env):
    environment = {
        **os.environ,
        **env,
        "TF_CLI_CONFIG_FILE": str(folder.parent / "terraformrc"),
        "TF_IN_AUTOMATION": "1",
    }
    done = subprocess.run(
        ["terraform", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_files_are_valid_and_formatted(tmp_path):
    folder = checked_out(tmp_path)
    terraform(folder, "fmt", "-check")
    terraform(folder, "init", "-no-color")
    assert json.loads(terraform(folder, "validate", "-json"))["diagnostics"] == []


def plain(document, bucket):
    """A policy in a form in which two can be compared, whatever the names that were made up."""
    found = {}
    for statement in document["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        roles = sorted("a role" if ":role/" in each else each.replace(bucket, "BUCKET") for each in resources)
        found[statement["Sid"]] = (sorted(actions), roles, json.dumps(statement.get("Condition"), sort_keys=True))
    return found


def applied(folder, platform, server):
    """Apply the files to a server; their outputs."""
    (folder / "test_override.tf").write_text(OVERRIDE, encoding="utf-8")
    clients(server, "iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
    terraform(folder, "init", "-no-color", **server.env())
    variables = ("-var", f"platform={platform}", "-var", 'instance_types=["c5.large"]')
    terraform(folder, "apply", "-auto-approve", "-no-color", "-input=false", *variables, **server.env())
    state = json.loads((folder / "terraform.tfstate").read_text(encoding="utf-8"))
    return {name: entry["value"] for name, entry in state["outputs"].items()}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """For each platform a server and the outputs. The provider waits half a minute for a queue: once for both."""
    with MotoServer() as fargate, MotoServer() as ec2, ThreadPoolExecutor() as pool:
        servers = (fargate, ec2)
        folders = [checked_out(tmp_path_factory.mktemp(platform.lower())) for platform in PLATFORMS]
        outputs = pool.map(applied, folders, PLATFORMS, servers)
        yield dict(zip(PLATFORMS, zip(servers, outputs, strict=True), strict=True))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_applied_it_makes_the_same_rights_as_the_stack(both, platform):
    server, made = both[platform]
    with MotoServer() as stacked:
        stack = make_stack(stacked, "flow-sdk", Platform=platform, InstanceTypes="c5.large")
        assert {"".join(word.capitalize() for word in name.split("_")) for name in made} == set(stack)
        buckets = [made["datastore_sysroot_s3"].split("/")[2], stack["DatastoreSysrootS3"].split("/")[2]]
        for name in ("batch_job_role", "batch_execution_role", "sfn_iam_role", "events_sfn_access_iam_role"):
            other = stack["".join(word.capitalize() for word in name.split("_"))]
            theirs = plain(role_policy(stacked, other), buckets[1])
            assert plain(role_policy(server, made[name]), buckets[0]) == theirs
        theirs = plain(managed_policy(stacked, stack["DeployerPolicy"]), buckets[1])
        assert plain(managed_policy(server, made["deployer_policy"]), buckets[0]) == theirs
        s3 = clients(server, "s3")
        assert s3.get_bucket_versioning(Bucket=buckets[0])["Status"] == "Enabled"
        assert all(s3.get_public_access_block(Bucket=buckets[0])["PublicAccessBlockConfiguration"].values())
        (denied,) = json.loads(s3.get_bucket_policy(Bucket=buckets[0])["Policy"])["Statement"]
        assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        (queue,) = clients(server, "batch").describe_job_queues(jobQueues=[made["batch_job_queue"]])["jobQueues"]
        assert queue["state"] == "ENABLED"
