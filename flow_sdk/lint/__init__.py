"""What is wrong with a flow, all at once and before anything runs.

``diagnostic`` is a finding and how it is shown; ``rules`` the registry; one file for each topic holds small functions,
one for each rule; ``check`` runs them; ``capabilities`` holds what deploy targets refuse.
Imports ``flow_sdk.graph`` and below; ``plan`` is built on it.
"""
