"""What is wrong with a flow, all at once and before anything runs.

``diagnostic`` is a finding and how it is shown; ``rules`` the registry; one file for each topic holds small functions,
one for each rule; ``check`` runs them. What a deploy target refuses is checked where it is deployed.
Imports ``flow_sdk.graph`` and below; ``plan`` is built on it.
"""
