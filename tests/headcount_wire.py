"""The bus protocol of proto/README.md once more, independent of the C codecs: what the tests speak
with, and what the vectors are checked against. Messages are dicts, in the form of the vectors."""

import math

import msgpack

VERSION = 1
SHARDS = 256
INTEGER_MAX = 2**53 - 1
BODY_BYTES_MAX = 64 * 1024
REQUEST_BYTES_MAX = 1024 * 1024
CONTAINERS_MAX = 15
VIEWERS_MAX = 10**9
ROWS_MAX = 1000

CHANGES = ["state", "join", "leave", "begin", "end"]
COUNT_CHANGES = ["state", "change", None, "begin", "end"]
STATES = ["warming", "ready", "leaving"]
ROLES = ["gateway", "sampler"]
CODES = ["ok", "unauthorized", "invalid", "version", "unavailable"]

_ALPHANUMERIC = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_AUCTION_BYTES = _ALPHANUMERIC | frozenset(b"_-")
_NODE_BYTES = _AUCTION_BYTES | frozenset(b".")


class WireError(Exception):
    """What is wrong with a message: topic, version, format, type or range."""

    def __init__(self, result, request_id=0):
        super().__init__(result)
        self.result = result
        self.request_id = request_id


def _require(ok, result="range"):
    if not ok:
        raise WireError(result)


# Ids, shards, topics


def auction_valid(text):
    return 1 <= len(text) <= 64 and set(text) <= _AUCTION_BYTES


def node_valid(text):
    return 1 <= len(text) <= 64 and set(text) <= _NODE_BYTES


def _hash(auction):
    value = 2166136261
    for byte in auction.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def auction_check(*auctions):
    """What ends an answer that has named these."""
    return sum(2**32 + _hash(auction) for auction in auctions)


def shard(auction):
    value = _hash(auction)
    return (value ^ value >> 8 ^ value >> 16 ^ value >> 24) & 255


def topic_kind(kind):
    return b"%s/" % kind.encode()


def topic_shard(kind, number):
    return b"%s/%02x/" % (kind.encode(), number)


def topic_auction(kind, auction):
    return b"%s/%02x/%s/" % (kind.encode(), shard(auction), auction.encode())


def topic_renewal(role, node, number):
    return f"renew/{role}/{node}/{number:02x}/".encode()


def read_renewal(prefix):
    """(role, node, shard) of a subscription that asks one node for a shard, else None."""
    parts = prefix.split(b"/")
    if len(parts) != 5 or parts[0] != b"renew" or parts[4]:
        return None
    role, node, digits = (part.decode("latin-1") for part in parts[1:4])
    hexadecimal = len(digits) == 2 and set(digits) <= set("0123456789abcdef")
    if role not in ROLES or not node_valid(node.encode("latin-1")) or not hexadecimal:
        return None
    return role, node, int(digits, 16)


def _read_topic(topic):
    """The members of a message that its topic names."""
    parts = topic.split(b"/")
    kind = parts[0]
    _require(topic.endswith(b"/"), "topic")
    parts = parts[1:-1]
    if kind in (b"event", b"count", b"snapshot"):
        _require(len(parts) in ((2,) if kind == b"snapshot" else (1, 2)), "topic")
        digits = parts[0]
        _require(len(digits) == 2 and set(digits) <= set(b"0123456789abcdef"), "topic")
        message = {"kind": kind.decode(), "shard": int(digits, 16)}
        if len(parts) == 2:
            _require(auction_valid(parts[1]), "topic")
            message["auction"] = parts[1].decode()
            _require(shard(message["auction"]) == message["shard"], "topic")
        return message
    _require(kind in (b"heartbeat", b"bye") and len(parts) == 2, "topic")
    _require(parts[0].decode("latin-1") in ROLES and node_valid(parts[1]), "topic")
    return {"kind": kind.decode(), "role": parts[0].decode(), "node": parts[1].decode()}


# Bodies


class _Pairs(list):
    """A MessagePack map; a list of pairs, since any value may be a key."""


def _nested(value, around):
    if around > CONTAINERS_MAX:
        return False
    if isinstance(value, _Pairs):
        return all(_nested(item, around + 1) for pair in value for item in pair)
    return type(value) is not list or all(_nested(item, around + 1) for item in value)


class _Elements:
    """The elements of an array, taken from left to right."""

    def __init__(self, values):
        self.values = values
        self.at = 0

    def at_least(self, count):
        _require(len(self.values) >= count, "format")

    def take(self):
        value = self.values[self.at]
        self.at += 1
        return value

    def integer(self, low=0, high=INTEGER_MAX):
        value = self.take()
        _require(type(value) is int, "type")
        _require(low <= value <= high)
        return value

    def float(self):
        value = self.take()
        _require(type(value) in (int, float), "type")
        return float(value)

    def switch(self):
        value = self.take()
        _require(type(value) is bool, "type")
        return value

    def text(self, most):
        value = self.take()
        _require(type(value) is str, "type")
        data = value.encode("utf-8", "surrogateescape")
        _require(len(data) <= most and 0 not in data)
        return value

    def id(self, valid):
        value = self.text(64)
        _require(valid(value.encode("utf-8", "surrogateescape")))
        return value

    def array(self, most=None):
        value = self.take()
        _require(type(value) is list, "type")
        _require(most is None or len(value) <= most)
        return _Elements(value)


def _unpack(body, most):
    _require(len(body) <= most, "format")
    try:
        value = msgpack.unpackb(
            body, raw=False, unicode_errors="surrogateescape", strict_map_key=False,
            object_pairs_hook=_Pairs,
        )
    except (ValueError, msgpack.UnpackException):
        raise WireError("format") from None
    _require(type(value) is list and value and _nested(value, 0), "format")
    return value


def _open(values, elements):
    taken = _Elements(values)
    version = taken.take()
    _require(type(version) is int, "type")
    _require(version == VERSION, "version")
    taken.at_least(elements)
    return taken


# Published messages


def _read_change(taken, message, names):
    message["sequence"] = taken.integer()
    message["time"] = taken.integer()
    kind = taken.integer(high=4)
    _require((kind >= 3) == ("auction" not in message))
    _require(kind not in (1, 2) or message["sequence"] >= 1)
    message["change"] = names[kind]


def _read_event(taken, message):
    _read_change(taken, message, CHANGES)
    joins, leaves = taken.integer(), taken.integer()
    if message["change"] == "begin":
        _require(joins == 0 and leaves == 0)
    elif message["change"] == "end":
        _require(leaves == 0)
    else:
        _require(0 <= joins - leaves <= VIEWERS_MAX)
    message["joins"], message["leaves"] = joins, leaves


def _read_count(taken, message):
    _read_change(taken, message, COUNT_CHANGES)
    count = taken.integer()
    _require(message["change"] is not None and (message["change"] != "begin" or count == 0))
    message["count"] = count


_FIGURES = ["timestamp", "viewerCount", "avgViewers", "peakViewers", "minViewers", "sampleCount"]
_EXACT = ["exactPeak", "exactMin", "exactAvg", "joins", "leaves", "coverageMs", "complete"]


def _read_figures(taken, message):
    exact = taken.values[taken.at + len(_FIGURES)] is not None
    for name in _FIGURES + _EXACT:
        if name in _EXACT and not exact:
            _require(taken.take() is None, "type")
        elif name in ("avgViewers", "exactAvg"):
            message[name] = taken.float()
        elif name == "complete":
            message[name] = taken.switch()
        else:
            message[name] = taken.integer(low=-INTEGER_MAX)


def _read_snapshot(taken, message):
    _read_figures(taken, message)
    for name in _FIGURES + _EXACT:
        value = message.get(name, 0)
        _require(math.isfinite(value) and value >= 0)


def _read_heartbeat(taken, message):
    message["time"] = taken.integer()
    message["state"] = STATES[taken.integer(high=2)]
    message["total"] = taken.integer()
    pairs = taken.array(2 * SHARDS)
    sequences, last = {}, -1
    while len(pairs.values) - pairs.at >= 2:
        last = pairs.integer(low=last + 1, high=SHARDS - 1)
        sequences[str(last)] = pairs.integer(low=1)
    _require(pairs.at == len(pairs.values))
    message["sequences"] = sequences
    if taken.at < len(taken.values) and taken.values[taken.at] is not None:
        message["shards"] = _read_shards(taken.array(SHARDS))
        if len(message["shards"]) == SHARDS:
            del message["shards"]


def _read_shards(taken):
    shards = []
    while taken.at < len(taken.values):
        shards.append(taken.integer(low=shards[-1] + 1 if shards else 0, high=SHARDS - 1))
    return shards


def _read_bye(taken, message):
    message["time"] = taken.integer()


_READERS = {
    "event": (8, _read_event),
    "count": (7, _read_count),
    "snapshot": (16, _read_snapshot),
    "heartbeat": (7, _read_heartbeat),
    "bye": (4, _read_bye),
}


def decode(topic, body):
    """A published message as a dict; raises WireError."""
    message = _read_topic(topic)
    elements, read = _READERS[message["kind"]]
    taken = _open(_unpack(body, BODY_BYTES_MAX), elements)
    node = taken.id(node_valid)
    _require(message.get("node", node) == node)
    message["node"] = node
    message["epoch"] = taken.integer(low=1)
    read(taken, message)
    return message


def _figures(message):
    exact = "exactPeak" in message
    values = [message[name] for name in _FIGURES] + [message.get(name) for name in _EXACT]
    values[2] = float(values[2])
    values[8] = float(values[8]) if exact else None
    return values


def _pack(values):
    return msgpack.packb(values, use_bin_type=True, unicode_errors="surrogateescape")


def encode(message):
    """(topic, body) of a published message."""
    kind = message["kind"]
    if kind in ("heartbeat", "bye"):
        topic = f"{kind}/{message['role']}/{message['node']}/".encode()
    elif "auction" in message:
        topic = topic_auction(kind, message["auction"])
    else:
        topic = topic_shard(kind, message["shard"])
    values = [VERSION, message["node"], message["epoch"]]
    if kind == "event":
        change = CHANGES.index(message["change"])
        values += [message["sequence"], message["time"], change]
        values += [message["joins"], message["leaves"]]
    elif kind == "count":
        change = COUNT_CHANGES.index(message["change"])
        values += [message["sequence"], message["time"], change, message["count"]]
    elif kind == "snapshot":
        values += _figures(message)
    elif kind == "heartbeat":
        pairs = sorted((int(number), last) for number, last in message["sequences"].items())
        values += [message["time"], STATES.index(message["state"]), message["total"]]
        values += [[value for pair in pairs for value in pair]]
        values += [message["shards"]] if "shards" in message else []
    else:
        values += [message["time"]]
    return topic, _pack(values)


# Store requests


def _request_id(body):
    try:
        value = _unpack(body, REQUEST_BYTES_MAX)[1]
    except (WireError, IndexError):
        return 0
    return value if type(value) is int and value >= 0 else 0


def _read_row(rows):
    taken = rows.array()
    taken.at_least(14)
    row = {"auction": taken.id(auction_valid)}
    _read_figures(taken, row)
    return row


def _read_request(topic, body):
    _require(topic in (b"batch/", b"setting/"), "topic")
    batch = topic == b"batch/"
    taken = _open(_unpack(body, REQUEST_BYTES_MAX), 4 if batch else 5)
    request = {"kind": topic[:-1].decode()}
    request["id"] = taken.integer(high=2**64 - 1)
    request["key"] = taken.text(256)
    if batch:
        rows = taken.array(ROWS_MAX)
        _require(rows.values)
        request["rows"] = [_read_row(rows) for _ in rows.values]
    else:
        request["auction"] = taken.id(auction_valid)
        request["enabled"] = taken.switch()
    return request


def decode_request(topic, body):
    """A store request as a dict; the WireError raised carries the request's id."""
    try:
        return _read_request(topic, body)
    except WireError as error:
        raise WireError(error.result, _request_id(body)) from None


def encode_request(request):
    values = [VERSION, request["id"], request["key"]]
    if request["kind"] == "batch":
        values.append([[row["auction"], *_figures(row)] for row in request["rows"]])
    else:
        values += [request["auction"], request["enabled"]]
    return request["kind"].encode() + b"/", _pack(values)


def _read_refusal(refusals):
    taken = refusals.array()
    taken.at_least(2)
    return [taken.integer(high=ROWS_MAX - 1), taken.text(127)]


def decode_ack(topic, body):
    _require(topic == b"ack/", "topic")
    taken = _open(_unpack(body, REQUEST_BYTES_MAX), 9)
    ack = {"kind": "ack", "id": taken.integer(high=2**64 - 1), "code": taken.text(31)}
    _require(ack["code"] in CODES)
    ack["message"] = taken.text(159)
    for name in ("saved", "kept", "ignored", "refused"):
        ack[name] = taken.integer(high=ROWS_MAX)
    refusals = taken.array(ROWS_MAX)
    _require(len(refusals.values) == ack["refused"])
    ack["refusals"] = [_read_refusal(refusals) for _ in refusals.values]
    ack["spooled"] = taken.integer(high=ROWS_MAX) if taken.at < len(taken.values) else 0
    return ack


def encode_ack(ack):
    values = [VERSION, ack["id"], ack["code"], ack["message"]]
    values += [ack[name] for name in ("saved", "kept", "ignored", "refused")]
    return b"ack/", _pack(values + [ack["refusals"], ack.get("spooled", 0)])
