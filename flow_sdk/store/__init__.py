"""Objects, blobs and the commit protocol.

``port`` is the interface, ``local``, ``memory`` and ``s3`` implement it; ``blobs`` and ``codecs`` turn
artifacts into verified content-addressed objects; ``records`` and ``attempts`` hold the commit protocol;
``package`` makes the code package. May import plan, ids and errors.
"""
