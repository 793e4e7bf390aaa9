"""The description of this provider for Airflow. Imports nothing of Airflow."""

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-flow-sdk",
        "name": "Flow SDK",
        "description": "Runs flows of Flow SDK: every step a task, every artifact kept and readable by name.",
        "versions": ["0.1.0"],
        "operators": [
            {
                "integration-name": "Flow SDK",
                "python-modules": [
                    "flow_provider.operators.batch",
                    "flow_provider.operators.loop",
                    "flow_provider.operators.splits",
                    "flow_provider.operators.step",
                ],
            }
        ],
        "triggers": [{"integration-name": "Flow SDK", "python-modules": ["flow_provider.triggers"]}],
        "extra-links": ["flow_provider.links.ArtifactsLink", "flow_provider.links.JobLink"],
    }
