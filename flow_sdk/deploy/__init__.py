"""Sending flows to orchestrators: one folder for each target. May import everything below it, never another target."""
