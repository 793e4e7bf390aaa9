"""``python -m flow_sdk.runtime.task``: see :mod:`flow_sdk.runtime.task.runner`."""

from flow_sdk.runtime.task import runner

if __name__ == "__main__":
    runner.main()
