"""headcount_wire against proto/vectors, which the C codecs are tested against too."""

import json
import math
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import headcount_wire as wire  # noqa: E402

FILES = sorted((ROOT / "proto" / "vectors").glob("*.json"))
VECTORS = [
    pytest.param(path.stem, vector, id=f"{path.stem}: {vector['name']}")
    for path in FILES
    for vector in json.loads(path.read_text())
]
DECODERS = {"batch": wire.decode_request, "setting": wire.decode_request, "ack": wire.decode_ack}
ENCODERS = {"batch": wire.encode_request, "setting": wire.encode_request, "ack": wire.encode_ack}


def shown(value):
    """As JSON shows it: what is not finite is null."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def test_every_kind_has_vectors():
    kinds = {vector["message"]["kind"] for path in FILES
             for vector in json.loads(path.read_text()) if "message" in vector}
    assert kinds == {"event", "count", "snapshot", "heartbeat", "bye", "batch", "setting", "ack"}


def test_vectors_are_what_make_writes():
    make = ROOT / "proto" / "vectors" / "make.py"
    subprocess.run([sys.executable, str(make), "--check"], check=True, timeout=60)


@pytest.mark.parametrize("kind, vector", VECTORS)
def test_vector(kind, vector):
    topic, body = vector["topic"].encode(), bytes.fromhex(vector["body_hex"])
    decode = DECODERS.get(kind, wire.decode)
    if "result" in vector:
        with pytest.raises(wire.WireError) as raised:
            decode(topic, body)
        assert raised.value.result == vector["result"]
        return
    message = decode(topic, body)
    assert shown(message) == vector["message"]
    again = ENCODERS.get(kind, wire.encode)(message)
    assert again == (topic, body) or not vector.get("canonical", True)
    assert shown(decode(*again)) == vector["message"]


@pytest.mark.parametrize("body, request_id", [
    ("93014d01", 77), ("92024d", 77), ("9101", 0), ("9201ff", 0), ("9201a131", 0), ("c0", 0),
    ("9201cfffffffffffffffff", 2**64 - 1), ("92a1614d", 77), ("92014dc0", 0),
])
def test_request_id_of_what_does_not_decode(body, request_id):
    with pytest.raises(wire.WireError) as raised:
        wire.decode_request(b"batch/", bytes.fromhex(body))
    assert raised.value.request_id == request_id


def test_a_body_has_a_greatest_size():
    body = [1, "gw-1", 1, 1, 0, 1, 1, 0]
    spare = wire.BODY_BYTES_MAX - len(wire._pack(body)) - 3
    topic = wire.topic_auction("event", "lot-12")
    assert wire.decode(topic, wire._pack(body + [bytes(spare)]))["joins"] == 1
    with pytest.raises(wire.WireError, match="format"):
        wire.decode(topic, wire._pack(body + [bytes(spare + 1)]))


@pytest.mark.parametrize("rows, result", [(0, "range"), (1, None), (1000, None), (1001, "range")])
def test_a_batch_has_a_greatest_size(rows, result):
    row = ["A", 1, 1, 1.0, 1, 1, 1] + [None] * 7
    body = wire._pack([1, 1, "k", [row] * rows])
    if result:
        with pytest.raises(wire.WireError, match=result):
            wire.decode_request(b"batch/", body)
    else:
        assert len(wire.decode_request(b"batch/", body)["rows"]) == rows
