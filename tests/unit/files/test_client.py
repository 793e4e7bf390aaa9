"""The S3 client over a bucket."""

import errno
import io
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flow_sdk import S3
from flow_sdk.errors import FlowSDKError, ObjectMissing, StoreError, StoreUnavailable, UsageError
from flow_sdk.files import S3GetObject, S3Object, S3PutObject
from flow_sdk.files.bucket import Bucket
from flow_sdk.files.file_store import PIECE, FileInfo
from tests.support.ports import free_port

pytestmark = pytest.mark.slow  # starts processes or servers

LAYOUT = ("a/0.txt", "a/b/1.txt", "a/d/e/3.txt", "f/4.txt")


def shown(objects: list) -> list[tuple]:
    return [(one.key, one.exists, one.size, one.downloaded) for one in objects]


def test_put_get_and_what_is_known_of_an_object(bucket: str) -> None:
    with S3(s3root=bucket) as s3:
        url = s3.put("x/é.txt", "hëllo", content_type="text/plain", metadata={"Rows": 3, "wer": "Zoë"})
        assert url == f"{bucket}/x/é.txt"
        found = s3.get("x/é.txt")
        assert (found.text, found.blob, found.size) == ("hëllo", "hëllo".encode(), 6)
        assert (found.key, found.url, found.prefix) == ("x/é.txt", url, bucket)
        assert (found.content_type, found.metadata) == ("text/plain", {"Rows": 3, "wer": "Zoë"})
        assert found.exists and found.downloaded and found.has_info
        assert found.range_info == (6, 0, 6)
        assert found.last_modified is not None and found.last_modified > 1.6e9
        known = s3.info("x/é.txt")
        assert (known.size, known.metadata, known.downloaded, known.path) == (6, found.metadata, False, None)
        assert s3.get("/x/é.txt").text == "hëllo"
    with S3() as s3:
        assert s3.get(url).key == url
        assert [one.text for one in s3.get_many([url])] == ["hëllo"]
    with S3(s3root=url) as s3:
        assert s3.get().text == "hëllo"


def test_what_can_be_put(bucket: str, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    big = os.urandom(1000) * ((2 * PIECE + 5_000) // 1000)
    path.write_bytes(big)
    with S3(s3root=bucket) as s3:
        values = {
            "text": "t",
            "bytes": b"b",
            "array": bytearray(b"c"),
            "view": memoryview(b"d"),
            "file": io.BytesIO(b"e"),
        }
        assert s3.put_many(values.items()) == [(key, f"{bucket}/{key}") for key in values]
        assert [one.blob for one in s3.get_many(values)] == [b"t", b"b", b"c", b"d", b"e"]
        s3.put("empty", b"")
        assert s3.get("empty").blob == b"" and s3.get("empty").exists
        s3.put_files([("big", path), S3PutObject("typed", path=str(path), content_type="image/png")])
        assert s3.get("big").blob == big
        assert s3.info("typed").content_type == "image/png"
        s3.put("big-bytes", big)
        assert s3.get("big-bytes").blob == big
        s3.put_files([("once", path)], overwrite=False)
        assert s3.get("once").blob == big
        with path.open("rb") as file:
            file.seek(len(big) - 3)
            s3.put("tail", file, overwrite=False)
        assert s3.get("tail").blob == big[-3:]
        for wrong in (3, None, io.StringIO("x"), {"a": 1}):
            with pytest.raises(UsageError, match="can't be put"):
                s3.put("wrong", wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="no such file"):
            s3.put_files([("new", path), ("gone", tmp_path / "gone")])
        assert not s3.get("new", return_missing=True).exists, "nothing is put when one of many is wrong"


def test_overwrite(bucket: str) -> None:
    with S3(s3root=bucket) as s3:
        s3.put("k", "1")
        assert s3.put("k", "2", overwrite=False) == f"{bucket}/k"
        assert s3.get("k").text == "1"
        s3.put("k", "3")
        assert s3.get("k").text == "3"
        assert s3.put_many([("k", "4"), ("l", "5")], overwrite=False) == [("k", f"{bucket}/k"), ("l", f"{bucket}/l")]
        assert [one.text for one in s3.get_many(["k", "l"])] == ["3", "5"]
        with pytest.raises(UsageError, match="given twice"):
            s3.put_many([("k", "1"), ("/k", "2")])


def test_parts_of_an_object(bucket: str) -> None:
    data = bytes(range(256)) * (PIECE // 128)
    with S3(s3root=bucket) as s3:
        s3.put("small", data[:100])
        s3.put("large", data)
        for key, whole in (("small", data[:100]), ("large", data)):
            for offset, length in (
                (0, 10),
                (7, None),
                (50, 20),
                (None, -5),
                (90, 10**9),
                (None, None),
                (PIECE // 9, PIECE),
            ):
                if offset is not None and offset > len(whole):
                    continue
                found = s3.get(S3GetObject(key, offset, length))
                expected = whole[length:] if length is not None and length < 0 else whole[offset or 0 :][:length]
                assert found.blob == expected
                assert found.size == len(expected)
                start = len(whole) - 5 if length == -5 else offset or 0
                assert found.range_info == (len(whole), start, len(expected))
        with pytest.raises(UsageError, match="no such bytes"):
            s3.get(S3GetObject("small", 100, 1))
        with pytest.raises(UsageError, match="can't begin before"):
            s3.get(S3GetObject("small", -1, 1))


def test_listing(bucket: str) -> None:
    with S3(s3root=bucket) as s3:
        s3.put_many([(key, key) for key in LAYOUT])
        assert shown(s3.list_paths(["a", "f/"])) == [
            ("0.txt", True, 7, False), ("b", False, None, False), ("d", False, None, False), ("4.txt", True, 7, False),
        ]  # fmt: skip
        assert [one.url for one in s3.list_paths()] == [f"{bucket}/a/", f"{bucket}/f/"]
        assert [one.key for one in s3.list_recursive(["a"])] == ["0.txt", "b/1.txt", "d/e/3.txt"]
        assert [one.key for one in s3.list_recursive()] == list(LAYOUT)
        assert not any(one.has_info for one in s3.list_recursive())
        assert [one.text for one in s3.get_all()] == list(LAYOUT)
        assert [(one.key, one.text) for one in s3.get_recursive(["a/d"])] == [("e/3.txt", "a/d/e/3.txt")]
        assert s3.list_paths(["nothing"]) == [] == s3.get_recursive(["nothing"])
    with S3() as s3:
        assert [one.key for one in s3.list_paths([f"{bucket}/a"])] == ["0.txt", "b", "d"]
        for call in (s3.get_all, s3.list_paths):
            with pytest.raises(UsageError):
                call()


def test_many_come_in_the_order_they_were_asked_for(bucket: str) -> None:
    keys = [f"n/{number}" for number in range(40)]
    with S3(s3root=bucket) as s3:
        s3.put_many((key, key) for key in keys)
        assert [one.text for one in s3.get_many(reversed(keys))] == keys[::-1]
        assert [one.size for one in s3.info_many(keys)] == [len(key) for key in keys]


def test_missing_keys(bucket: str) -> None:
    with S3(s3root=bucket) as s3:
        s3.put("there", "x")
        for call in (lambda: s3.get("gone"), lambda: s3.info("gone"), lambda: s3.get_many(["there", "gone"])):
            with pytest.raises(ObjectMissing, match="no such object") as raised:
                call()
            assert raised.value.where == f"{bucket}/gone"
        found = s3.get_many(["gone", "there"], return_missing=True)
        gone = found[0]
        assert (gone.key, gone.exists, gone.blob, gone.text, gone.path) == ("gone", False, None, None, None)
        assert gone.size is None and gone.last_modified is None and not gone.has_info
        assert found[1].text == "x"
        assert [one.exists for one in s3.info_many(["there", "gone"], return_missing=True)] == [True, False]


def test_downloads_are_gone_with_the_client_and_are_whole_or_not_there(bucket: str, tmp_path: Path) -> None:
    with S3(s3root=bucket, tmproot=tmp_path) as s3:
        assert list(tmp_path.iterdir()) == [], "nothing is made before it is needed"
        s3.put("data.parquet", b"1")
        path = s3.get("data.parquet").path
        assert path is not None and path.startswith(str(tmp_path)) and path.endswith(".parquet")
        with pytest.raises(ObjectMissing):
            s3.get("gone.txt")
        assert [name for _, _, names in os.walk(tmp_path) for name in names] == [os.path.basename(path)]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="is closed"):
        s3.get("data.parquet")
    with pytest.raises(UsageError, match="is closed"):
        s3.put("x", "y")
    with pytest.raises(UsageError, match="is closed"):
        s3.list_paths()
    with pytest.raises(UsageError, match="can't be made"), S3(s3root=bucket, tmproot=tmp_path / "no") as s3:
        s3.get("data.parquet")


HOSTILE = ["../up", "a/../../up", "a//../b", "a/./b", "a\0b", "a\nb", "..", ".", "", "a/", "\ud800", "x" * 1100]


@pytest.mark.parametrize("key", HOSTILE, ids=ascii)
def test_keys_that_are_refused(bucket: str, key: str) -> None:
    with S3(s3root=bucket) as s3:
        for call in (lambda: s3.get(key), lambda: s3.put(key, "x"), lambda: s3.info(key)):
            with pytest.raises(UsageError, match=r"can't be a key|too long"):
                call()


FRIENDLY = [
    "a b",
    "é/ü",
    "%2e%2e/x",
    "a#b?c&d",
    "日本/☃",
    "a\\b",
    "'; rm -rf",
    "~",
    "-rf",
    "a:b",
    "\u202eabc",
    "*",
    '"q"',
]


@pytest.mark.parametrize("key", FRIENDLY, ids=ascii)
def test_keys_that_come_back_as_they_went_in(bucket: str, key: str, tmp_path: Path) -> None:
    with S3(s3root=bucket, tmproot=tmp_path) as s3:
        url = s3.put(key, "x")
        assert [one.key for one in s3.list_recursive()] == [key]
        found = s3.get(key)
        assert found.text == "x" and found.key == key
        assert Path(str(found.path)).resolve().parent.parent == tmp_path
        with S3() as whole:
            assert whole.get(url).text == "x"


def test_what_is_no_address(bucket: str) -> None:
    for wrong in ("http://x/y", "files/x", "s3://", "s3:///x", "", "file:///tmp"):
        with pytest.raises(UsageError, match="isn't an S3 address"):
            S3(s3root=wrong)
    with S3() as s3:
        for key in ("plain", "a/b", "s3://files", "s3://files/", "gs://x/y", 3, None):
            with pytest.raises(UsageError):
                s3.get(key)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="isn't a list of keys"):
            s3.get_many("abc")
    with S3(s3root=bucket) as s3, pytest.raises(UsageError, match="aren't whole addresses"):
        s3.get("s3://other/key")
    for both in ({"run": object(), "s3root": "s3://x"}, {"bucket": "x"}, {"prefix": "x"}, {"run": object()}):
        with pytest.raises(UsageError):
            S3(**both)  # type: ignore[arg-type]


def test_a_server_that_refuses(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with S3() as s3:
        with pytest.raises(StoreUnavailable, match="no bucket 'nowhere'"):
            s3.get("s3://nowhere/x")
        with pytest.raises(StoreUnavailable, match="no bucket 'nowhere'"):
            s3.put("s3://nowhere/x", "y")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with S3() as s3, pytest.raises(FlowSDKError, match="doesn't answer"):
        s3.info("s3://files/x", return_missing=True)


class Denying(BaseHTTPRequestHandler):
    """A server that knows who asks and lets them do nothing."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = answer

    def log_message(self, *args: object) -> None:
        pass


def test_access_that_is_denied(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    (tmp_path / "downloads").mkdir()
    try:
        with S3(s3root=bucket, tmproot=tmp_path / "downloads") as s3:
            for call in (
                lambda: s3.get("x"),
                lambda: s3.get("x", return_missing=True),
                lambda: s3.info("x", return_missing=True),
                lambda: s3.put("x", "y"),
                lambda: s3.put("x", "y", overwrite=False),
                lambda: s3.list_paths(),
                lambda: s3.list_recursive(),
                lambda: s3.get_many(["x", "y"]),
            ):
                with pytest.raises(StoreUnavailable, match="don't let us") as raised:
                    call()
                assert raised.value.wanted is not None and "s3:GetObject" in raised.value.wanted
            assert [name for _, _, names in os.walk(tmp_path / "downloads") for name in names] == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("times", [1, 100])
def test_an_object_that_is_replaced_while_it_is_read(
    bucket: str, monkeypatch: pytest.MonkeyPatch, times: int, tmp_path: Path
) -> None:
    size, left = 3 * PIECE, times
    read_part = Bucket._read_part

    def replacing(self: Bucket, key: str, start: int, end: int, tag: str | None) -> object:
        nonlocal left
        if start == PIECE and left:
            left -= 1
            with S3(s3root=bucket) as other:
                other.put("k", bytes([left % 251 + 1]) * size)
        return read_part(self, key, start, end, tag)

    with S3(s3root=bucket, tmproot=tmp_path) as s3:
        s3.put("k", b"\0" * size)
        monkeypatch.setattr(Bucket, "_read_part", replacing)
        if times == 1:
            assert s3.get("k").blob == b"\1" * size
        else:
            with pytest.raises(StoreError, match="changes while it is read"):
                s3.get("k")
            assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


def test_a_folder_without_room(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with S3(s3root=bucket, tmproot=tmp_path) as s3:
        s3.put("k", b"x")

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(UsageError, match="no space left"):
                s3.get("k")
        assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
        assert s3.get("k").blob == b"x"


def test_of_many_that_create_one_key_one_wins(bucket: str) -> None:
    with S3(s3root=bucket) as s3, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put("once", str(number) * 10, overwrite=False), range(8)))
        won = s3.get("once").text
        assert won in [str(number) * 10 for number in range(8)]
        s3.put("once", "late", overwrite=False)
        assert s3.get("once").text == won


def test_a_key_that_came_since_one_looked_is_left_alone(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with S3(s3root=bucket) as s3:
        s3.put("k", "first")
        monkeypatch.setattr(Bucket, "find_file", lambda *_: None)
        assert s3.put("k", "late", overwrite=False) == f"{bucket}/k"
        assert s3.get("k").text == "first"


def test_a_forgotten_client_leaves_nothing(bucket: str, tmp_path: Path) -> None:
    S3(s3root=bucket).put("k", "x")
    code = f"from flow_sdk import S3; s = S3(s3root={bucket!r}, tmproot={str(tmp_path)!r}); print(s.get('k').text)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "x\n" and list(tmp_path.iterdir()) == []


def test_encryption_is_asked_for(bucket: str) -> None:
    import boto3

    with S3(s3root=bucket, encryption="AES256") as s3:
        s3.put("secret", "x")
        assert s3.get("secret").text == "x"
    key = f"{bucket.removeprefix('s3://files/')}/secret"
    assert boto3.client("s3").head_object(Bucket="files", Key=key)["ServerSideEncryption"] == "AES256"


def test_metadata_of_others_is_shown(bucket: str) -> None:
    import boto3

    key = bucket.removeprefix("s3://files/") + "/theirs"
    boto3.client("s3").put_object(Bucket="files", Key=key, Body=b"x", Metadata={"origin": "abc"}, ContentType="a/b")
    with S3(s3root=bucket) as s3:
        assert s3.info("theirs").metadata == {"origin": "abc"}
        for wrong in ({"a": object()}, ["a"], {1: 2}, {"a": float("nan")}):
            with pytest.raises(UsageError, match="can't be metadata"):
                s3.put("x", "y", metadata=wrong)  # type: ignore[arg-type]
        assert not s3.info("x", return_missing=True).exists


UNUSUAL = ["raw//a.csv", "raw///a.csv", "raw//deep/a.csv"]


@pytest.mark.parametrize("key", UNUSUAL)
@pytest.mark.parametrize("whole", [False, True])
def test_a_key_with_an_empty_component(bucket: str, key: str, whole: bool) -> None:
    name = f"{bucket}/{key}" if whole else key
    with S3() if whole else S3(s3root=bucket) as s3:
        assert not s3.info(name, return_missing=True).exists
        with pytest.raises(ObjectMissing):
            s3.get(name)
        url = s3.put(name, "before")
        assert url == f"{bucket}/{key}"
        s3.put_many([S3PutObject(name, "0123456789", content_type="text/x", metadata={"Größe": 3})])
        got = s3.get(name)
        assert (got.key, got.url, got.text, got.size) == (name, url, "0123456789", 10)
        assert (got.content_type, got.metadata) == ("text/x", {"Größe": 3})
        assert s3.get(S3GetObject(name, 2, 3)).text == "234" and s3.get(S3GetObject(name, 4, None)).text == "456789"
        assert s3.get(S3GetObject(name, 0, -2)).text == "89"
        assert s3.info(name).size == 10
        s3.put(name, "other", overwrite=False)
        assert s3.get(name).text == "0123456789"
        s3.put(name, b"")
        assert s3.get(name).blob == b""


def test_folders_that_hold_keys_with_empty_components_are_listed_and_read(bucket: str) -> None:
    with S3(s3root=bucket) as s3:
        for key in (*UNUSUAL, "raw/plain.csv"):
            s3.put(key, key)
    with S3() as s3:
        urls = {f"{bucket}/{key}" for key in (*UNUSUAL, "raw/plain.csv")}
        assert {found.url for found in s3.list_recursive([f"{bucket}/raw"])} == urls
        assert {found.url: found.text for found in s3.get_recursive([f"{bucket}/raw"])} == {
            url: url.removeprefix(f"{bucket}/") for url in urls
        }
        below = {found.url: found.exists for found in s3.list_paths([f"{bucket}/raw"])}
        assert below[f"{bucket}/raw/plain.csv"] is True and len(below) == 2


def test_objects_of_earlier_releases_are_unpickled() -> None:
    one = S3Object("s3://b/p", "k", "s3://b/p/k", FileInfo(3, 1.5, "text/plain", {"a": 1}))
    text = pickle.dumps(one, protocol=2)
    earlier = text.replace(b"flow_sdk.files.objects", b"flow_sdk.s3.objects")
    earlier = earlier.replace(b"flow_sdk.files.file_store\nFileInfo", b"flow_sdk.s3.place\nFound")
    assert earlier.count(b"flow_sdk.s3.") == 2 and b"flow_sdk.files" not in earlier
    found = pickle.loads(earlier)
    assert (type(found), found.key, found.size, found.metadata) == (S3Object, "k", 3, {"a": 1})
