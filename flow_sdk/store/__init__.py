"""Objects, blobs, records and packages.

``port`` is the interface, ``local``, ``memory`` and ``s3`` implement it. ``blobs`` are verified content-addressed
objects, ``pickling`` turns values into their bytes, ``artifacts`` joins both; ``records`` holds keys, records and the
commit protocol, ``package`` the code package. May import plan, ids and errors.
"""
