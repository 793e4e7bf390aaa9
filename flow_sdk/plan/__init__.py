"""The flow plan: graph, decorators and parameters as versioned, content-hashed data.

``compile`` makes it from a flow class, ``model`` is its shape, ``codec`` its canonical JSON. Whatever runs or
translates a flow sees the plan only. Imports ``lint``, ``graph``, ``spec`` and below.
"""
