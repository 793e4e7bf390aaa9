"""AWS settings: each row of the table in docs/aws-set-up.md holds for store, S3 client, services and DAG files."""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.settings import find_encryption, s3_settings
from flow_sdk.deploy.airflow.create import AirflowDraft, AirflowOptions
from flow_sdk.deploy.airflow.dag_location import open_location
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import DeploymentSource
from flow_sdk.errors import AwsError, ConfigError, DeployError, StoreUnavailable
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.runtime.batch.definition import BatchSettings, job_definition
from flow_sdk.store.open_store import open_store
from tests.conftest import ROOT
from tests.support.aws_environment import KEY, AwsEnvironment
from tests.support.certificates import make_certificates
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.forward_proxy import ForwardProxy, SecureFaultProxy
from tests.support.in_process_runs import load_source
from tests.support.moto import MotoServer
from tests.support.ports import free_port

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture
def rig(moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsEnvironment]:
    found = AwsEnvironment(moto, monkeypatch, tmp_path)
    with found.proxy, found.sessions:
        yield found


def keys_in_the_environment(rig: AwsEnvironment) -> None:
    rig.usual()
    rig.use()
    assert {asked.access_key for asked in rig.proxy.asked} == {KEY}


def keys_of_a_profile(rig: AwsEnvironment) -> None:
    rig.usual("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    rig.profile("[default]\naws_access_key_id = 1\naws_secret_access_key = s\n", "credentials")
    rig.profile(f"[profile lab]\naws_access_key_id = {KEY}\naws_secret_access_key = s\n")
    rig.set(AWS_PROFILE="lab")
    rig.use()
    assert {asked.access_key for asked in rig.proxy.asked} == {KEY}


def region(rig: AwsEnvironment) -> None:
    for setting in ("AWS_REGION", "AWS_DEFAULT_REGION", None):
        rig.usual("AWS_REGION")
        rig.set(AWS_REGION=None, AWS_DEFAULT_REGION=None)
        if setting:
            rig.set(**{setting: "eu-south-1"})
        else:
            rig.profile("[default]\nregion = eu-south-1\n")
        assert s3_settings().region == make_client("batch").meta.region_name == "eu-south-1"
        assert make_client("s3").meta.region_name == "eu-south-1"


def endpoint_in_the_environment(rig: AwsEnvironment) -> None:
    rig.usual()
    rig.use()
    assert rig.proxy.count("POST", "describejobqueues") == 1
    before = len(rig.proxy.asked)
    with FaultProxy(rig.moto.url) as other:
        rig.set(AWS_ENDPOINT_URL_S3=other.url)
        rig.use()
        assert other.count() > 5 and {asked.key for asked in rig.proxy.asked[before:]} == {"v1/describejobqueues"}


def endpoint_of_a_profile(rig: AwsEnvironment) -> None:
    rig.usual("AWS_ENDPOINT_URL")
    rig.profile(f"[default]\nendpoint_url = {rig.proxy.url}\n")
    rig.use()
    assert rig.proxy.count("POST", "describejobqueues") == 1


def endpoint_of_a_service(rig: AwsEnvironment) -> None:
    rig.usual("AWS_ENDPOINT_URL")
    with FaultProxy(rig.moto.url) as other:
        rig.profile(
            f"[profile lab]\nendpoint_url = http://127.0.0.1:1\nservices = near\n"
            f"[services near]\ns3 =\n  endpoint_url = {other.url}\nbatch =\n  endpoint_url = {rig.proxy.url}\n"
        )
        rig.set(AWS_PROFILE="lab")
        rig.use()
        assert other.count() > 5 and {asked.key for asked in rig.proxy.asked} == {"v1/describejobqueues"}


def endpoints_ignored(rig: AwsEnvironment) -> None:
    rig.usual()
    rig.set(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    assert str(s3_settings().endpoint).endswith("//s3.us-east-1.amazonaws.com")
    assert make_client("s3").meta.endpoint_url.endswith(".amazonaws.com")


def certificate(name: str) -> Callable[[AwsEnvironment], None]:
    def use(rig: AwsEnvironment) -> None:
        authority, context = make_certificates(rig.folder)
        proxy = SecureFaultProxy(rig.moto.url)
        proxy.context = context
        with proxy:
            rig.usual("AWS_ENDPOINT_URL")
            rig.set(AWS_ENDPOINT_URL=proxy.url)
            with pytest.raises(
                StoreUnavailable, match=f"^The certificate of S3 at {proxy.url} isn't trusted"
            ) as refused:
                open_store("s3://flows/settings")
            assert "UnknownIssuer" in str(refused.value) and "AWS_CA_BUNDLE" in str(refused.value)
            with pytest.raises(DeployError) as other:
                open_location("s3://flows/dags/", "plain")
            assert f"The certificate of S3 at {proxy.url} isn't trusted" in str(other.value)
            assert "AWS_CA_BUNDLE" in str(other.value)
            if name == "ca_bundle":
                rig.profile(f"[default]\nca_bundle = {authority}\n")
            else:
                rig.set(**{name: str(authority)})
            rig.use()
            assert proxy.count("POST", "describejobqueues") == 1

    return use


def proxies(rig: AwsEnvironment) -> None:
    rig.usual("AWS_ENDPOINT_URL")
    with ForwardProxy(rig.proxy) as proxy:
        rig.set(AWS_ENDPOINT_URL="http://aws.example", HTTP_PROXY=f"http://127.0.0.1:{proxy.port}")
        rig.use()
        assert len(proxy.hosts) == len(rig.proxy.asked) > 6 and set(proxy.hosts) == {"aws.example"}
        rig.usual()  # 127.0.0.1 is in NO_PROXY
        before = len(proxy.hosts)
        rig.use()
        assert len(proxy.hosts) == before
        # https goes through a tunnel, which this proxy doesn't give.
        rig.set(AWS_ENDPOINT_URL="https://aws.example", HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(StoreUnavailable, match=r"doesn't answer at https://aws\.example"):
            open_store("s3://flows/settings")


def role_of_a_profile(rig: AwsEnvironment) -> None:
    rig.without_keys()
    rig.set(AWS_ENDPOINT_URL_STS=rig.sessions.url, AWS_PROFILE="worker")
    rig.profile(
        "[profile worker]\nrole_arn = arn:aws:iam::1:role/worker\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = 1\naws_secret_access_key = s\n"
    )
    rig.use()
    assert rig.sessions.sources == {"AssumeRole": 1}


def credential_process(rig: AwsEnvironment) -> None:
    rig.without_keys()
    script = rig.folder / "keys.py"
    script.write_text(
        f"import json\nprint(json.dumps({{'Version': 1, 'SessionToken': 't', **{rig.sessions.issue('x')}}}))"
    )
    rig.profile(f"[default]\ncredential_process = {sys.executable} {script}\n")
    rig.use()


def sign_on(rig: AwsEnvironment) -> None:
    rig.without_keys()
    start = "https://sign-on.example/start"
    rig.set(AWS_ENDPOINT_URL_SSO=rig.sessions.url)
    rig.profile(
        f"[default]\nsso_start_url = {start}\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = worker\n"
    )
    cache = rig.home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    rig.monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(cache))
    with pytest.raises(StoreUnavailable, match="sign-on has expired") as refused:
        open_store("s3://flows/settings")
    assert "aws sso login" in str(refused.value)
    token = {"accessToken": "t", "expiresAt": "2100-01-01T00:00:00Z", "startUrl": start, "region": "us-east-1"}
    (cache / f"{hashlib.sha1(start.encode()).hexdigest()}.json").write_text(json.dumps(token))
    rig.use()
    assert rig.sessions.sources == {"sign-on": 1}


def web_identity(rig: AwsEnvironment) -> None:
    rig.without_keys()
    token = rig.folder / "token"
    token.write_text("identity")
    rig.set(
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ROLE_ARN="arn:aws:iam::1:role/worker",
        AWS_ENDPOINT_URL_STS=rig.sessions.url,
        AWS_STS_REGIONAL_ENDPOINTS="regional",
    )
    rig.use()
    assert rig.sessions.sources == {"AssumeRoleWithWebIdentity": 1}


def container_of_ecs(rig: AwsEnvironment) -> None:
    rig.without_keys()
    rig.sessions.token = ""
    rig.monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.IP_ADDRESS", f"127.0.0.1:{rig.sessions.port}")
    rig.monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher._ALLOWED_HOSTS", ["127.0.0.1"])
    rig.set(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/container?task=1")
    rig.use()
    assert rig.sessions.sources == {"container": 1}


def container_with_a_token(rig: AwsEnvironment) -> None:
    rig.without_keys()
    rig.set(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{rig.sessions.url}/container")
    rig.set(AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong")
    with pytest.raises(StoreUnavailable, match="credentials can't be fetched") as refused:
        open_store("s3://flows/settings")
    assert f"{rig.sessions.url}/container" in str(refused.value) and "wrong token" in str(refused.value)
    rig.set(AWS_CONTAINER_AUTHORIZATION_TOKEN="sesame")
    rig.use()
    assert rig.sessions.sources == {"container": 1}


def container_with_a_token_file(rig: AwsEnvironment) -> None:
    rig.without_keys()
    token = rig.folder / "token"
    token.write_text("sesame")
    rig.set(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{rig.sessions.url}/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token),
    )
    rig.use()
    assert rig.sessions.sources == {"container": 1}


def metadata_service(rig: AwsEnvironment) -> None:
    rig.without_keys()
    rig.set(AWS_EC2_METADATA_DISABLED=None, AWS_EC2_METADATA_SERVICE_ENDPOINT=rig.sessions.url)
    rig.use()
    assert rig.sessions.sources == {"metadata": 1}


def metadata_service_disabled(rig: AwsEnvironment) -> None:
    rig.without_keys()
    rig.set(AWS_EC2_METADATA_DISABLED="true", AWS_EC2_METADATA_SERVICE_ENDPOINT=rig.sessions.url)
    with pytest.raises(StoreUnavailable, match=r"^There are no AWS credentials\.") as refused:
        open_store("s3://flows/settings")
    assert "AWS_PROFILE" in str(refused.value)
    with pytest.raises(AwsError, match="there are no credentials"):
        from flow_sdk.aws.errors import aws_errors

        with aws_errors("look"):
            make_client("batch").describe_job_queues()
    assert not rig.sessions.sources


def encryption_of_objects(rig: AwsEnvironment) -> None:
    import boto3

    rig.usual()
    direct = boto3.client(
        "s3",
        endpoint_url=rig.moto.url,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key="s",
    )
    for prefix in ("FLOW_SDK_S3_", "METAFLOW_S3_", "AWS_"):
        for algorithm, key in (("AES256", None), ("aws:kms", None), ("aws:kms", "key/1")):
            rig.set(**{f"{prefix}SERVER_SIDE_ENCRYPTION": algorithm, f"{prefix}SSE_KMS_KEY_ID": key})
            rig.use()
            for name in ("settings/a", "files/b", "dags/plain.py"):
                found = direct.head_object(Bucket="flows", Key=name)
                assert found["ServerSideEncryption"] == algorithm, (prefix, name)
                assert not key or found["SSEKMSKeyId"].endswith(key)
        rig.set(**{f"{prefix}SERVER_SIDE_ENCRYPTION": None, f"{prefix}SSE_KMS_KEY_ID": None})


ROWS: dict[str, Callable[[AwsEnvironment], None]] = {
    "AWS_ACCESS_KEY_ID": keys_in_the_environment,
    "AWS_PROFILE": keys_of_a_profile,
    "AWS_REGION": region,
    "AWS_ENDPOINT_URL": endpoint_in_the_environment,
    "endpoint_url": endpoint_of_a_profile,
    "services": endpoint_of_a_service,
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": endpoints_ignored,
    "AWS_CA_BUNDLE": certificate("AWS_CA_BUNDLE"),
    "ca_bundle": certificate("ca_bundle"),
    "REQUESTS_CA_BUNDLE": certificate("REQUESTS_CA_BUNDLE"),
    "SSL_CERT_FILE": certificate("SSL_CERT_FILE"),
    "HTTP_PROXY": proxies,
    "role_arn": role_of_a_profile,
    "credential_process": credential_process,
    "sso_start_url": sign_on,
    "AWS_WEB_IDENTITY_TOKEN_FILE": web_identity,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": container_of_ecs,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": container_with_a_token,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": container_with_a_token_file,
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_service,
    "AWS_EC2_METADATA_DISABLED": metadata_service_disabled,
    "FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION": encryption_of_objects,
}
"""The first name in each row of the table, and what is tried for it."""


@pytest.mark.parametrize("name", ROWS)
def test_a_setting_holds_everywhere(rig: AwsEnvironment, name: str) -> None:
    ROWS[name](rig)


def test_the_table_has_these_rows() -> None:
    page = (ROOT / "docs" / "aws-set-up.md").read_text(encoding="utf-8")
    table = page.partition("## 5. ")[2]
    assert re.findall(r"^\| `(\w+)", table, re.MULTILINE) == list(ROWS)


def test_keys_in_the_environment_need_no_botocore(rig: AwsEnvironment) -> None:
    import subprocess

    rig.usual()
    rig.profile("[default]\noutput = json\n[profile lab]\nsso_region = us-east-1\n")
    code = (
        "import sys\nfrom flow_sdk.store.open_store import open_store\nopen_store('s3://flows/light')\n"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_a_bundle_that_is_none(rig: AwsEnvironment) -> None:
    rig.usual()
    rig.set(AWS_ENDPOINT_URL=f"https://127.0.0.1:{free_port()}")
    (rig.folder / "empty.pem").write_text("not a certificate")
    for path, seen in ((rig.folder / "missing.pem", "No such file"), (rig.folder / "empty.pem", "no certificate")):
        rig.set(AWS_CA_BUNDLE=str(path))
        with pytest.raises(ConfigError, match=r"certificate authorities can't be used") as refused:
            open_store("s3://flows/settings")
        assert seen in str(refused.value) and f"{path} (AWS_CA_BUNDLE)" in str(refused.value)


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({"METAFLOW_S3_SERVER_SIDE_ENCRYPTION": "kms"}, "'kms'"),
        ({"AWS_SERVER_SIDE_ENCRYPTION": "AES256", "FLOW_SDK_S3_SSE_KMS_KEY_ID": "key/1"}, "AES256 from environment"),
    ],
)
def test_an_encryption_that_s3_does_not_know(rig: AwsEnvironment, variables: dict[str, str], seen: str) -> None:
    rig.set(**variables)
    with pytest.raises(ConfigError) as refused:
        find_encryption()
    assert seen in str(refused.value) and "aws:kms" in str(refused.value)


PLAIN = """
from flow_sdk import FlowSpec, batch, step

class Plain(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_deployments_and_jobs_take_the_encryption_along(rig: AwsEnvironment) -> None:
    flow = load_source(PLAIN, "Plain", str(rig.folder))
    plan = compile_plan(flow, file="plain.py", parameters=plan_parameters(flow, None))
    rig.usual()

    def deployed() -> str:
        draft = AirflowDraft(plan, str(rig.folder), AirflowOptions(name="plain"))
        create_deployment(draft, DeploymentSource(plan, b"package", "s3://flows/store"), None)
        return (rig.folder / "plain.py").read_text(encoding="utf-8")

    assert "encryption" not in deployed()
    rig.set(METAFLOW_S3_SERVER_SIDE_ENCRYPTION="aws:kms", FLOW_SDK_S3_SSE_KMS_KEY_ID="key/1")
    text = deployed()
    assert "encryption" in text and "aws:kms" in text and "key/1" in text
    rig.set(FLOW_SDK_BATCH_JOB_QUEUE="queue", FLOW_SDK_BATCH_IMAGE="image:1")
    made = job_definition(plan.start, BatchSettings.from_config(), "s3://flows/store").arguments
    assert {
        ("FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION", "aws:kms"),
        ("FLOW_SDK_S3_SSE_KMS_KEY_ID", "key/1"),
    } <= {(one["name"], one["value"]) for one in made["containerProperties"]["environment"]}


def test_what_did_not_answer_is_named(rig: AwsEnvironment) -> None:
    rig.usual()
    silent = f"http://127.0.0.1:{free_port()}"
    rig.set(AWS_ENDPOINT_URL=silent)
    rig.monkeypatch.setattr("flow_sdk.store.backends.retry._SILENT", 0.1)
    with pytest.raises(StoreUnavailable, match=f"^S3 doesn't answer at {silent}") as refused:
        open_store("s3://flows/settings")
    assert "the connection is refused" in str(refused.value)
    with pytest.raises(DeployError, match="DAG file can't be put") as other:
        open_location("s3://flows/dags/", "plain")
    assert f"S3 doesn't answer at {silent}" in str(other.value)


def test_a_bucket_that_takes_encrypted_objects_only(rig: AwsEnvironment) -> None:
    rig.usual()
    rig.proxy.set(Rule("AccessDenied", "PUT"))
    with pytest.raises(StoreUnavailable, match="don't let us write") as refused:
        open_store("s3://flows/encrypted-only")
    assert "FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION" in str(refused.value)
    rig.set(FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION="AES256")
    with pytest.raises(StoreUnavailable) as refused:
        open_store("s3://flows/encrypted-only")
    assert "FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION" not in str(refused.value)


def values(settings: Any) -> tuple[Any, ...]:
    return settings.region, settings.endpoint, settings.credentials is None


def test_settings_that_change_are_read_anew(rig: AwsEnvironment) -> None:
    rig.usual()
    assert values(s3_settings()) == ("us-east-1", rig.proxy.url, True)
    rig.set(AWS_REGION="eu-south-1", AWS_ENDPOINT_URL=None)
    rig.profile("[default]\nendpoint_url = http://there\n")
    assert values(s3_settings()) == ("eu-south-1", "http://there", False)
    assert s3_settings() is s3_settings()
    rig.profile("[default]\nendpoint_url = http://elsewhere\n")
    assert s3_settings().endpoint == "http://elsewhere"


def test_the_address_of_s3_under_metaflows_name(rig: AwsEnvironment) -> None:
    rig.usual()
    with FaultProxy(rig.moto.url) as other:
        rig.set(METAFLOW_S3_ENDPOINT_URL=other.url)
        rig.use()
        assert other.count() == 0  # AWS's own settings come first
        rig.set(AWS_ENDPOINT_URL=None)
        rig.set(AWS_ENDPOINT_URL_BATCH=rig.proxy.url)
        before = len(rig.proxy.asked)
        rig.use()
        assert other.count() > 5 and {asked.key for asked in rig.proxy.asked[before:]} == {"v1/describejobqueues"}
