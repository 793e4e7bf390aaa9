"""Which release this is. A module of its own: the package's own names reach up to the highest layer."""

__version__ = "0.1.0"
