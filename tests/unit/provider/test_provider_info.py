"""What the provider tells Airflow about itself."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flow_provider.provider_info import get_provider_info

pytestmark = pytest.mark.slow  # starts processes or servers

PROVIDER = Path(__file__).resolve().parents[3] / "provider"


def test_it_imports_nothing_of_airflow() -> None:
    asked = (
        "import sys; from flow_provider.provider_info import get_provider_info; get_provider_info(); "
        "sys.exit(any(name.partition('.')[0] == 'airflow' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0


def test_name_and_version_are_those_of_the_distribution() -> None:
    project = tomllib.loads((PROVIDER / "pyproject.toml").read_text())["project"]
    info = get_provider_info()
    assert info["package-name"] == project["name"] and info["versions"] == [project["version"]]
    assert any(each.startswith(f"flow-sdk>={project['version']},<") for each in project["dependencies"])


def test_every_module_it_names_exists() -> None:
    names = [module for entry in get_provider_info()["operators"] for module in entry["python-modules"]]
    for name in names:
        assert (PROVIDER / "src" / Path(*name.split("."))).with_suffix(".py").is_file()
