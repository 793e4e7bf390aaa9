"""What pickles by value name of the SDK."""

import importlib
import pickle
import pickletools

from flow_sdk.store.pickling import by_value
from flow_sdk.store.pickling.codecs import decode_value, encode_value

FUNCTIONS = (
    "make_class",
    "make_enum",
    "make_function",
    "set_class_state",
    "set_function_state",
    "flow_object",
)


def test_a_stored_pickle_names_the_module_that_every_release_has() -> None:
    encoded = encode_value(lambda: 7, where="x")
    payload = b"".join(encoded.parts)
    stream = payload[payload.index(b"\x80\x05") :]
    texts = {argument for _, argument, _ in pickletools.genops(stream) if isinstance(argument, str)}
    assert {"flow_sdk.store.byvalue", "make_function", "set_function_state"} <= texts
    assert not any(text.startswith("flow_sdk.store.pickling") for text in texts)
    assert decode_value(encoded.codec, payload, where="x")() == 7


def test_every_function_that_pickles_name_is_found_under_both_paths() -> None:
    earlier = importlib.import_module(by_value.STORED_MODULE)
    for name in FUNCTIONS:
        function = getattr(by_value, name)
        assert getattr(earlier, name) is function
        assert pickle.loads(pickle.dumps(function)) is function
