"""A distribution outside Flow SDK that offers deploy targets, as pip would install it."""

from pathlib import Path

__all__ = ["install_target"]


def install_target(folder: Path, *lines: str) -> Path:
    """Install a distribution into a folder, which is to be on the path then.

    Parameters
    ----------
    folder : Path
        The folder.
    *lines : str
        Its entry points; the fake target's when left out.
    """
    info = folder / "acme_orchestrator-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-orchestrator\nVersion: 1.0\n")
    offered = lines or ("fake = flow_sdk.testing.fake_target:FAKE",)
    (info / "entry_points.txt").write_text("\n".join(["[flow_sdk.deploy_targets]", *offered, ""]))
    return folder
