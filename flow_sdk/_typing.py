"""The name that type checkers know, without the time that importing ``typing`` takes (4 ms).

A module on the way to ``--help`` imports it from here; what it imports under
``if TYPE_CHECKING`` is for annotations only.
"""

TYPE_CHECKING = False
