"""What users write: flows, steps, parameters, decorators and schedules, all as data.

Nothing here acts on what it holds. May import errors and ids; kept light, because every flow file imports it.
"""
