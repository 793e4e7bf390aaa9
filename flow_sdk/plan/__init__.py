"""The flow plan: graph, decorators and parameters as versioned, content-hashed data.

``compile`` makes it from a flow class, ``model`` is its shape, ``codec`` its canonical JSON, ``plan_check`` refuses
stored plans that no compiler wrote. ``tree`` is its control flow, and ``policies`` are its decorators, both derived
when a plan is read. Whatever runs or translates a flow reads the plan only. Imports ``lint``, ``graph``, ``authoring``
and below.
"""
