"""From values to bytes and back.

``codecs`` chooses the codec, ``by_value`` stores the classes and functions of the flow file, which ``flow_modules``
knows. ``comparison`` finds whether a loaded value was changed, ``diagnosis`` what can't be pickled.
"""
