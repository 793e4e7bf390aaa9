"""What holds for the checkout as a whole: versions in lockstep, nothing of one machine in any file."""

import re
import tomllib

from tests.style.tree import PACKAGES, ROOT, python_files, short, text_files

# Spelled so that this file doesn't find itself.
MACHINE_PATH = re.compile(r"(?<![\w.:/}-])/(?:root|work|home|Users|tmp|mnt)/[\w.]")
ADDRESS = re.compile(r"https?://([\w-]+(?:\.[\w-]+)+)")
ADDRESSES = {"127.0.0.1", "www.w3.org", "www.apache.org", "json-schema.org", "s3.console.aws.amazon.com"}
INDEX = re.compile("index" + r"-url|find" + "-links")
RUNNER = {"aws", "plan", "ids", "errors", "runtime"}


def test_both_distributions_carry_the_same_version_and_the_changelog_has_it() -> None:
    sdk = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    provider = tomllib.loads((ROOT / "provider" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert provider["version"] == sdk["version"]
    assert provider["requires-python"] == sdk["requires-python"]
    major, minor, _ = sdk["version"].split(".")  # the provider works with its own release of the SDK and the next
    assert f"flow-sdk>={sdk['version']},<{major}.{int(minor) + 2}" in provider["dependencies"]
    assert (ROOT / "provider" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert f"\n## {sdk['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_the_sdk_needs_is_in_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    for lock in ("airflow3.txt", "airflow2.txt"):
        locked = {
            line.split("==")[0] for line in (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
        }
        assert needed <= locked


def test_no_file_knows_a_machine() -> None:
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            hosts = [
                h for h in ADDRESS.findall(line) if h not in ADDRESSES and not re.search(r"(^|\.)example(\.|$)", h)
            ]
            if hosts or MACHINE_PATH.search(line) or (INDEX.search(line) and path.name != "Makefile"):
                found.append(f"{short(path)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_the_provider_sees_the_plan_ids_errors_credentials_and_the_task_runner_only() -> None:
    pattern = re.compile(r"^\s*(?:from|import) flow_sdk(?:\.(\w+))?", re.MULTILINE)
    for path in python_files(PACKAGES[1]):
        seen = set(pattern.findall(path.read_text(encoding="utf-8")))
        assert seen <= RUNNER, f"{short(path)} imports flow_sdk.{', flow_sdk.'.join(sorted(seen - RUNNER))}"
