"""The command line: of a flow file (``python flow.py ...``) and of ``flow-sdk``.

``registry`` and ``console_commands`` name the commands, each of which is a module of ``commands``. ``main`` finds the
command of a line, ``parser`` parses it, ``context`` holds what the command works with (``command_line``,
``project_context``, ``store_context``), and ``command_end`` reports its error. ``help`` prints help, ``completion``
serves the shells, and ``reporters`` show a run.

Modules on the way to ``--help`` import neither ``typing`` nor ``dataclasses``, and nothing of the layers below but the
error tree: its time is measured.
"""
