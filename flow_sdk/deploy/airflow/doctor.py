"""Whether the Airflow of the settings answers."""

import json
import re
import urllib.error
import urllib.request

from flow_sdk.config import read_setting
from flow_sdk.deploy.doctor import FAILED, NOT_SET, OK, Check, Look

__all__ = ["airflow_looks"]

SECONDS = 3.0


def airflow_looks() -> list[Look]:
    """The parts to look at."""
    return [("Airflow", _look)]


def _look() -> Check:
    setting = read_setting("AIRFLOW_URL")
    if setting.value is None:
        return Check("Airflow", NOT_SET, "AIRFLOW_URL isn't set")
    address = re.sub(r"(?<=://)[^/@\s]*@", "", setting.value).rstrip("/")
    help = f"Check the address in AIRFLOW_URL ({setting.source}), and whether the web server runs."
    if not re.match(r"https?://[^/\s]", address):
        return Check("Airflow", FAILED, f"{address} isn't an address of http or https", help)
    for version, path in (("3", "/api/v2/version"), ("2", "/api/v1/version")):
        try:
            with urllib.request.urlopen(address + path, timeout=SECONDS) as answer:
                found = json.load(answer)["version"]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):
                return Check("Airflow", OK, f"{address} answers, Airflow {version}")
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Check("Airflow", FAILED, f"{address} doesn't answer as Airflow does: {error}", help)
        return Check("Airflow", OK, f"{address} answers, Airflow {found}")
    return Check("Airflow", FAILED, f"{address} answers, but isn't an Airflow", help)
