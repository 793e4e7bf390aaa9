"""Start a process of the runtime in a fresh interpreter: ``python .../launcher.py MODULE [ARGUMENT ...]``.

A script and not ``python -m``: ``-m`` puts the current folder on ``sys.path``, so a file ``random.py`` that lies there
would be taken for Python's, and the user's program would find modules that it doesn't find in ``python flow.py``.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # this script's folder; the user's program puts its own there


def start_module() -> None:
    import gc
    import importlib.util

    if importlib.util.find_spec("flow_sdk") is None:
        # The process that started this one found it beside its own program, which isn't on our path.
        folder, _, _ = __file__.replace("\\", "/").rpartition("/flow_sdk/runtime/")
        sys.path.append(folder)
    name = sys.argv[1]
    del sys.argv[1]
    gc.disable()  # what our modules make stays: looking for garbage among it takes a tenth of their import
    main = importlib.import_module(name).main
    gc.enable()
    main()


if __name__ == "__main__":
    start_module()
