"""Whether the Airflow of the settings answers."""

import re

from flow_sdk.config import read_setting
from flow_sdk.deploy.airflow.http import send_request
from flow_sdk.deploy.doctor import FAILED, NOT_SET, OK, Check
from flow_sdk.errors import FlowSDKError

__all__ = ["check_airflow"]

SECONDS = 3.0


def check_airflow() -> Check:
    """Check whether the Airflow of the settings answers."""
    setting = read_setting("AIRFLOW_URL")
    if setting.value is None:
        return Check("Airflow", NOT_SET, "AIRFLOW_URL isn't set")
    address = re.sub(r"(?<=://)[^/@\s]*@", "", setting.value).rstrip("/")
    help = f"Check the address in AIRFLOW_URL ({setting.source}), and whether the web server runs."
    try:
        if address.startswith("mwaa://"):
            from flow_sdk.deploy.airflow.mwaa import MwaaLogin

            address = MwaaLogin(address.removeprefix("mwaa://")).find_address()
        if not re.match(r"https?://[^/\s]", address):
            return Check("Airflow", FAILED, f"{address} isn't an address of http or https", help)
        return _ask_version(address, help)
    except FlowSDKError as error:
        seen = f" ({error.seen})" if error.seen else ""
        return Check("Airflow", FAILED, f"{address}: {error.headline}{seen}", error.help or help)


def _ask_version(address: str, help: str) -> Check:
    for line, path in (("3", "/api/v2/version"), ("2", "/api/v1/version")):
        answer = send_request("GET", address + path, headers={"Accept": "application/json"}, timeout=SECONDS)
        if answer.status in (401, 403):
            return Check("Airflow", OK, f"{address} answers, Airflow {line}")
        if answer.status == 200 and isinstance(answer.body, dict) and "version" in answer.body:
            return Check("Airflow", OK, f"{address} answers, Airflow {answer.body['version']}")
        if answer.status == 200:
            return Check("Airflow", FAILED, f"{address} doesn't answer as Airflow does: {answer.short_text}", help)
    return Check("Airflow", FAILED, f"{address} answers, but isn't an Airflow", help)
