"""A soak: the long-lived processes of Flow SDK, under faults, must not grow. ``make test-soak``."""
