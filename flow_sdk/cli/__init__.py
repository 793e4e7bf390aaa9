"""The command line: of a flow file (``python flow.py ...``) and of ``flow-sdk``.

One file for each command; ``main`` finds the command, ``arguments`` parses, ``usage`` prints help, ``failure`` prints
errors, ``output`` and ``live`` show a run. The topmost layer: nothing imports it. Modules on the way to ``--help``
import no dataclasses, no click and nothing of the layers below but the error tree: its time is measured.
"""
