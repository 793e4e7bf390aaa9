"""``Runner`` and ``Deployer``: flow files started from Python, each as a process of its own.

Above the command line: a call is a command of the flow file, with its parameters as data.
"""
