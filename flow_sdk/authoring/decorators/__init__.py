"""The decorators of Flow SDK, a file each: attributes with types and checks, documentation, what it does in a step.

A decorator is public when :mod:`flow_sdk.public_names` has a line for it. docs/adding-a-decorator.md shows the way.
"""
