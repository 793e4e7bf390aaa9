"""What flow files written for Metaflow import besides the public names of ``flow_sdk``.

``modules`` is the table of Metaflow's modules and their names; each is found by ``from flow_sdk.<module> import name``
as it is by ``from metaflow.<module> import name``. What this release has is the real thing; everything else is an
``UnsupportedName``, which says so when it is used. Nothing of this is loaded before a flow file asks for it.
"""
