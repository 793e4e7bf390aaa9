"""Content-addressed blobs: named by the hash of their content, written once, verified on every read.

``blob`` writes and reads them in the format of ``frame_format``; ``item_pack`` holds the items of a
foreach in one blob.
``write_protocol`` is the order that keeps writers and the garbage collector from harming each other.
"""
