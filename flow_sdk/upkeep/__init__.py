"""Keeping a store sound: the check of every object, and garbage collection.

``garbage_collection`` removes runs that no rule keeps (``run_removal``) and blobs that no record needs
(``mark_sweep``); ``store_check`` verifies everything. Both read records through ``references``.
May import metadata and what lies below it.
"""
