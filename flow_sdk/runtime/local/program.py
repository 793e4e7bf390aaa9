"""The program that the tasks of a local run execute: the one that the user has started."""

import os
import sys
from dataclasses import dataclass

from flow_sdk.authoring.process_start import start_environment, start_folder

__all__ = ["Program"]


@dataclass(frozen=True, slots=True)
class Program:
    """What a local task executes, and what it begins with.

    Parameters
    ----------
    file : str
        Absolute path of the flow file.
    environment : dict
        Environment variables.
    folder : str or None
        The current folder; None to leave it as it is.
    module : str
        Dotted name of the file's module; empty where it is executed as a script.
    imported : bool
        Whether the module is imported under its own name, and not executed as ``__main__``.
    search_path : tuple of str
        What ``sys.path`` begins with; empty for the folder that the script or the top-level module lies in.
    """

    file: str
    environment: dict[str, str]
    folder: str | None
    module: str = ""
    imported: bool = False
    search_path: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: str, module: str = "", imported: bool = False) -> "Program":
        """Describe what the tasks of a run begin with.

        Parameters
        ----------
        file : str
            The file that is executed.
        module : str
            Dotted name of its module, if it isn't executed as a script.
        imported : bool
            Whether that module is imported; then the folders that this process finds modules in count.
        """
        file = os.path.abspath(file)
        search_path = tuple(sys.path) if imported else ()
        return cls(file, start_environment(file), start_folder(file), module, imported, search_path)
