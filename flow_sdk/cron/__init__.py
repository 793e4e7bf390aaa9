"""Schedules: reading cron expressions, working out when they fire, and writing them for each target.

Imports ``errors`` only.
"""
