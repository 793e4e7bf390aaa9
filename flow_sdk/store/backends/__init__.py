"""The implementations of the object store port: a local folder, memory, and object storage in a cloud.

``object_storage`` serves every cloud through obstore; ``errors`` and ``retry`` are the one policy for what a cloud
refuses. Stores are opened with :func:`flow_sdk.store.open_store.open_store`.
"""
