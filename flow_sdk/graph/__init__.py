"""From a flow class to its graph, read from the source without running user code.

``model`` holds the data, ``source`` finds the text of a step, ``parse`` reads its ``self.next``, ``loops`` and
``regions`` match splits with joins and find loops, ``render`` and ``svg`` draw. Pure but for reading source files.
Imports ``flow_sdk.authoring`` and below; ``lint`` and ``plan`` are built on it.
"""
