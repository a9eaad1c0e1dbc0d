"""Writes the vectors beside this file. Bodies are given element by element, not by a codec.

A vector has a name, a topic, a body (hex) and either the message it means or the result that names what is wrong with
it. Where encoding the message need not give the same bytes (wider integers, elements of a later version), `canonical`
is false. A figure that is not finite stands as null. Run with no argument; `--check` only compares."""

import json
import pathlib
import struct
import sys

import msgpack

HERE = pathlib.Path(__file__).parent
EPOCH, TIME, MINUTE = 1761055200000, 1761056100250, 1761056100000
BIG = 2**53 - 1
ID64 = "a" * 64
SHARD = {  # computed apart from any codec of ours
    "lot-12": "c8", "A": "f5", ID64: "3c", "507f1f77bcf86cd799439011": "97", "_-_": "94",
}


class Raw(bytes):
    """Bytes that stand in a body as they are."""


def pack(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, list):
        count = len(value)
        head = (bytes([0x90 | count]) if count < 16 else
                b"\xdc" + struct.pack(">H", count) if count < 65536 else b"\xdd" + struct.pack(">I", count))
        return head + b"".join(pack(item) for item in value)
    return msgpack.packb(value, use_bin_type=True)


def uint64(value):
    return Raw(b"\xcf" + struct.pack(">Q", value))


def int64(value):
    return Raw(b"\xd3" + struct.pack(">q", value))


def float32(value):
    return Raw(b"\xca" + struct.pack(">f", value))


def topic(kind, auction):
    return f"{kind}/{SHARD[auction]}/{auction}/"


class File:
    def __init__(self):
        self.vectors = []

    def good(self, name, topic, body, message, canonical=True):
        vector = {"name": name, "topic": topic, "body_hex": pack(body).hex(), "message": message}
        if not canonical:
            vector["canonical"] = False
        self.vectors.append(vector)

    def bad(self, name, result, topic, body):
        if not isinstance(body, bytes):
            body = pack(body)
        self.vectors.append({"name": name, "topic": topic, "body_hex": body.hex(), "result": result})

    def cut(self, topic, body, result="format"):
        """The body cut before every byte, and with one too many."""
        whole = pack(body)
        for count in range(len(whole)):
            self.bad(f"cut to {count} bytes", result, topic, whole[:count])
        self.bad("a byte after the array", result, topic, whole + b"\xc0")

    def each(self, topic, body, wrong):
        """One element replaced at a time: wrong is {index: [(name, value, result)]}."""
        for index, cases in wrong.items():
            for name, value, result in cases:
                changed = list(body)
                changed[index] = value
                self.bad(f"element {index} {name}", result, topic, changed)

    def fewer(self, topic, body):
        for count in range(1, len(body)):
            self.bad(f"{count} elements only", "format", topic, body[:count])


NUMBER = [("is text", "1", "type"), ("is nil", None, "type"), ("is a float", 1.0, "type"),
          ("is a switch", True, "type"), ("is negative", -1, "range"), ("is 2^53", 2**53, "range"),
          ("is 2^64 - 1", 2**64 - 1, "range"), ("is an array", [], "type")]
FLOAT = [("is text", "1", "type"), ("is a switch", False, "type")]
NOT_FINITE = [("is not a number", float("nan"), "range"), ("is infinite", float("inf"), "range"),
              ("is minus infinite", float("-inf"), "range"), ("is negative", -0.5, "range")]
NODE = [("is empty", "", "range"), ("has 65 bytes", "n" * 65, "range"), ("has a slash", "a/b", "range"),
        ("has a zero byte", "a\0b", "range"), ("is not ASCII", "ü", "range"), ("is binary", b"gw-1", "type"),
        ("is a number", 1, "type"), ("is nil", None, "type")]
VERSION = [("is 2", 2, "version"), ("is 0", 0, "version"), ("is -1", -1, "version"),
           ("is 2^64 - 1", 2**64 - 1, "version"), ("is text", "1", "type"), ("is a float", 1.0, "type")]
EPOCHS = NUMBER + [("is 0", 0, "range")]


def not_bodies(file, topic):
    file.bad("no bytes", "format", topic, b"")
    file.bad("no array but a map", "format", topic, {"a": 1})
    file.bad("no array but nil", "format", topic, None)
    file.bad("an empty array", "format", topic, [])
    file.bad("another version with fewer elements", "version", topic, [2])
    file.bad("an array that claims 2^32 - 1 elements", "format", topic, bytes.fromhex("ddffffffff01"))
    file.bad("a text that claims 2^32 - 1 bytes", "format", topic, bytes.fromhex("9201dbffffffff61"))
    file.bad("an ext that claims 2^32 - 1 bytes", "format", topic, bytes.fromhex("9201c9ffffffff0161"))
    file.bad("a map that claims 2^32 - 1 pairs", "format", topic, bytes.fromhex("9201dfffffffff6161"))
    file.bad("the byte that MessagePack never uses", "format", topic, bytes.fromhex("9201c1"))
    file.bad("arrays within arrays without end", "format", topic, b"\x91" * 1000)


def events():
    file = File()
    here = topic("event", "lot-12")
    body = [1, "gw-1", EPOCH, 7, TIME, 1, 5, 2]
    message = {"kind": "event", "shard": 0xc8, "auction": "lot-12", "node": "gw-1", "epoch": EPOCH, "sequence": 7,
               "time": TIME, "change": "join", "joins": 5, "leaves": 2}
    file.good("join", here, body, message)
    file.good("leave", here, body[:5] + [2, 5, 3], message | {"change": "leave", "leaves": 3})
    file.good("state", here, body[:5] + [0, 0, 0], message | {"change": "state", "joins": 0, "leaves": 0})
    file.good("state before anything was sent", here, body[:3] + [0, TIME, 0, 0, 0],
              message | {"sequence": 0, "change": "state", "joins": 0, "leaves": 0})
    shard = {key: value for key, value in message.items() if key != "auction"}
    file.good("begin", "event/c8/", body[:5] + [3, 0, 0], shard | {"change": "begin", "joins": 0, "leaves": 0})
    file.good("end", "event/c8/", body[:5] + [4, 70000, 0], shard | {"change": "end", "joins": 70000, "leaves": 0})
    for auction in SHARD:
        file.good(f"auction {auction}", topic("event", auction), body,
                  message | {"auction": auction, "shard": int(SHARD[auction], 16)})
    file.good("the least of everything", here, [1, "0", 1, 1, 0, 1, 0, 0],
              message | {"node": "0", "epoch": 1, "sequence": 1, "time": 0, "joins": 0, "leaves": 0})
    file.good("the most of everything", here, [1, "A_-." * 16, BIG, BIG, BIG, 2, BIG, BIG - 10**9],
              message | {"node": "A_-." * 16, "epoch": BIG, "sequence": BIG, "time": BIG, "change": "leave",
                         "joins": BIG, "leaves": BIG - 10**9})
    file.good("integers wider than need be", here,
              [uint64(1), Raw(b"\xdb\0\0\0\4gw-1"), int64(EPOCH), int64(7), uint64(TIME), int64(1), uint64(5),
               Raw(b"\xd1\0\2")], message, canonical=False)
    file.good("an array head wider than need be", here, Raw(b"\xdd\0\0\0\x08" + pack(body)[1:]), message,
              canonical=False)
    for name, extra in {"a number": 9, "nil": None, "a map": {"a": [1, {"b": 2}]}, "ext": Raw(b"\xd5\x07ab"),
                        "a map with an array as key": Raw(b"\x81\x91\x01\xc0"), "empty ext": Raw(b"\xc7\0\x05"),
                        "text that is not UTF-8": Raw(b"\xa2\xff\xfe"), "nothing at all": []}.items():
        file.good(f"followed by {name} of a later version", here, body + [extra], message, canonical=False)
    nested = Raw(b"\x91" * 14 + b"\xc0")
    file.good("a later version's element, 15 arrays deep", here, body + [nested], message, canonical=False)
    file.bad("a later version's element, 16 arrays deep", "format", here, body + [Raw(b"\x91" + nested)])

    not_bodies(file, here)
    file.cut(here, body)
    file.fewer(here, body)
    file.each(here, body, {
        0: VERSION, 1: NODE, 2: EPOCHS, 3: NUMBER + [("is 0 of a join", 0, "range")], 4: NUMBER,
        5: NUMBER + [("is 5", 5, "range"), ("is begin of an auction", 3, "range"), ("is end of an auction", 4, "range")],
        6: NUMBER + [("is less than leaves", 1, "range"), ("is 10^9 + 1 above leaves", 2 + 10**9 + 1, "range")],
        7: NUMBER})
    file.bad("state of a shard", "range", "event/c8/", body[:5] + [0, 0, 0])
    file.bad("join of a shard", "range", "event/c8/", body)
    file.bad("begin with joins", "range", "event/c8/", body[:5] + [3, 1, 0])
    file.bad("begin with leaves", "range", "event/c8/", body[:5] + [3, 0, 1])
    file.bad("end with leaves", "range", "event/c8/", body[:5] + [4, 1, 1])
    for name, bad in {
            "empty": "", "no kind": "/", "an unknown kind": "evens/c8/lot-12/", "a kind in capitals": "Event/c8/lot-12/",
            "the kind only": "event/", "no slash at the end": "event/c8/lot-12", "no slash after the shard": "event/c8",
            "a shard in capitals": "event/C8/lot-12/", "a shard of one digit": "event/c/lot-12/",
            "a shard of three digits": "event/0c8/lot-12/", "a shard that is not hex": "event/cg/lot-12/",
            "the shard of another auction": "event/c9/lot-12/", "an empty auction": "event/c8//",
            "an auction of 65 bytes": "event/c8/" + "a" * 65 + "/", "an auction with a dot": "event/c8/lot.12/",
            "an auction with a space": "event/c8/lot 12/", "an auction that is not ASCII": "event/c8/löt/",
            "a zero byte": "event/c8/lot\0/", "more than an auction": "event/c8/lot-12/x/",
            "two slashes at the end": "event/c8/lot-12//", "a batch's topic": "batch/", "a store's answer": "ack/"}.items():
        file.bad(f"topic: {name}", "topic", bad, body)
    file.bad("a bad topic and a bad body", "topic", "event/", b"\xc1")
    return file


def counts():
    file = File()
    here = topic("count", "lot-12")
    body = [1, "sampler-0", EPOCH, 9, TIME, 1, 475]
    message = {"kind": "count", "shard": 0xc8, "auction": "lot-12", "node": "sampler-0", "epoch": EPOCH, "sequence": 9,
               "time": TIME, "change": "change", "count": 475}
    shard = {key: value for key, value in message.items() if key != "auction"}
    file.good("change", here, body, message)
    file.good("state", here, body[:5] + [0, 0], message | {"change": "state", "count": 0})
    file.good("begin", "count/c8/", body[:5] + [3, 0], shard | {"change": "begin", "count": 0})
    file.good("end", "count/c8/", body[:5] + [4, 12], shard | {"change": "end", "count": 12})
    file.good("the most of everything", here, [1, "s", BIG, BIG, BIG, 1, BIG],
              message | {"node": "s", "epoch": BIG, "sequence": BIG, "time": BIG, "count": BIG})
    file.good("followed by elements of a later version", here, body + [1, [2]], message, canonical=False)
    not_bodies(file, here)
    file.cut(here, body)
    file.fewer(here, body)
    file.each(here, body, {0: VERSION, 1: NODE, 2: EPOCHS, 3: NUMBER + [("is 0 of a change", 0, "range")], 4: NUMBER,
                           5: NUMBER + [("is leave", 2, "range"), ("is begin of an auction", 3, "range"),
                                        ("is 5", 5, "range")], 6: NUMBER})
    file.bad("change of a shard", "range", "count/c8/", body)
    file.bad("begin with a count", "range", "count/c8/", body[:5] + [3, 1])
    return file


FIGURES = [MINUTE, 475, 445.0, 475, 420, 12]
EXACT = [481, 419, 446.5, 62, 7, 60000, True]
SHOWN = {"timestamp": MINUTE, "viewerCount": 475, "avgViewers": 445.0, "peakViewers": 475, "minViewers": 420,
         "sampleCount": 12}
SHOWN_EXACT = {"exactPeak": 481, "exactMin": 419, "exactAvg": 446.5, "joins": 62, "leaves": 7, "coverageMs": 60000,
               "complete": True}


def snapshots():
    file = File()
    here = topic("snapshot", "lot-12")
    body = [1, "sampler-0", EPOCH] + FIGURES + EXACT
    message = {"kind": "snapshot", "shard": 0xc8, "auction": "lot-12", "node": "sampler-0", "epoch": EPOCH} | SHOWN
    whole = message | SHOWN_EXACT
    file.good("a minute", here, body, whole)
    file.good("an incomplete minute", here, body[:-2] + [35000, False], whole | {"coverageMs": 35000, "complete": False})
    file.good("without exact figures", here, body[:9] + [None] * 7, message)
    file.good("floats as integers and as 32 bits", here, body[:5] + [445] + body[6:11] + [float32(446.5)] + body[12:],
              whole, canonical=False)
    file.good("figures that the store refuses", here, body[:3] + [0, 0, 1e300, 0, BIG, 0] + body[9:],
              whole | {"timestamp": 0, "viewerCount": 0, "avgViewers": 1e300, "peakViewers": 0, "minViewers": BIG,
                       "sampleCount": 0})
    file.good("followed by elements of a later version", here, body + ["x"], whole, canonical=False)
    not_bodies(file, here)
    file.cut(here, body)
    file.fewer(here, body)
    wrong = {0: VERSION, 1: NODE, 2: EPOCHS, 5: FLOAT + NOT_FINITE + [("is nil", None, "type")],
             9: [("alone is nil", None, "type")], 11: FLOAT + NOT_FINITE + [("is nil", None, "type")],
             15: [("is a number", 1, "type"), ("is text", "true", "type"), ("is nil", None, "type")]}
    for index in (3, 4, 6, 7, 8, 10, 12, 13, 14):
        wrong[index] = NUMBER + [("is -2^53", -2**53, "range")]
    file.each(here, body, wrong)
    for index in range(10, 16):
        file.bad(f"element {index} alone is there of the exact ones", "type", here,
                 body[:9] + [body[i] if i == index else None for i in range(9, 16)])
    file.bad("of a shard", "topic", "snapshot/c8/", body)
    return file


def nodes():
    heartbeat, bye = File(), File()
    here = "heartbeat/gateway/gw-1/"
    body = [1, "gw-1", EPOCH, TIME, 1, 3, [0, 1, 200, 9, 255, BIG]]
    message = {"kind": "heartbeat", "role": "gateway", "node": "gw-1", "epoch": EPOCH, "time": TIME, "state": "ready",
               "total": 3, "sequences": {"0": 1, "200": 9, "255": BIG}}
    heartbeat.good("of a gateway", here, body, message)
    heartbeat.good("of a sampler", "heartbeat/sampler/s.0/", [1, "s.0"] + body[2:],
                   message | {"role": "sampler", "node": "s.0"})
    heartbeat.good("warming up, nothing sent", here, body[:4] + [0, 0, []],
                   message | {"state": "warming", "total": 0, "sequences": {}})
    heartbeat.good("leaving", here, body[:4] + [2, BIG, []], message | {"state": "leaving", "total": BIG, "sequences": {}})
    heartbeat.good("of every shard", here, body[:6] + [[n for shard in range(256) for n in (shard, 70000 + shard)]],
                   message | {"sequences": {str(shard): 70000 + shard for shard in range(256)}})
    heartbeat.good("of a sampler of two shards", "heartbeat/sampler/s.0/", [1, "s.0"] + body[2:] + [[3, 200]],
                   message | {"role": "sampler", "node": "s.0", "shards": [3, 200]})
    heartbeat.good("of a sampler of no shard", "heartbeat/sampler/s.0/", [1, "s.0"] + body[2:] + [[]],
                   message | {"role": "sampler", "node": "s.0", "shards": []})
    heartbeat.good("nil for all shards", here, body + [None], message, canonical=False)
    heartbeat.good("all shards named", here, body + [list(range(256))], message, canonical=False)
    heartbeat.good("followed by elements of a later version", here, body + [[1], 1.5], message | {"shards": [1]},
                   canonical=False)
    for name, shards, result in [("text", "1", "type"), ("a float", 1.5, "type"), ("a switch", True, "type"),
                                 ("a shard twice", [1, 1], "range"), ("shards that descend", [2, 1], "range"),
                                 ("shard 256", [256], "range"), ("shard -1", [-1], "range"),
                                 ("text in it", ["1"], "type"), ("257 shards", [1] * 257, "range")]:
        heartbeat.bad(f"element 7 has {name}", result, here, body + [shards])
    not_bodies(heartbeat, here)
    heartbeat.cut(here, body)
    heartbeat.fewer(here, body)
    heartbeat.each(here, body, {
        0: VERSION, 1: NODE + [("is not the topic's", "gw-2", "range")], 2: EPOCHS, 3: NUMBER,
        4: NUMBER + [("is 3", 3, "range")], 5: NUMBER,
        6: [("is nil", None, "type"), ("is a map", {1: 2}, "type"), ("is odd", [1], "range"),
            ("has a shard twice", [1, 1, 1, 2], "range"), ("descends", [2, 1, 1, 1], "range"),
            ("has shard 256", [256, 1], "range"), ("has shard -1", [-1, 1], "range"),
            ("has a sequence of 0", [1, 0], "range"), ("has a sequence of 2^53", [1, 2**53], "range"),
            ("has text", ["1", 1], "type"), ("has nil", [1, None], "type"),
            ("has 257 pairs", [n for shard in range(257) for n in (shard, 1)], "range")]})
    for name, bad in {"another role": "heartbeat/store/gw-1/", "no node": "heartbeat/gateway/",
                      "an empty node": "heartbeat/gateway//", "no slash at the end": "heartbeat/gateway/gw-1",
                      "more than a node": "heartbeat/gateway/gw-1/x/", "a node with a space": "heartbeat/gateway/g 1/",
                      "a node of 65 bytes": "heartbeat/gateway/" + "g" * 65 + "/"}.items():
        heartbeat.bad(f"topic: {name}", "topic", bad, body)
    here = "bye/gateway/gw-1/"
    body = [1, "gw-1", EPOCH, TIME]
    message = {"kind": "bye", "role": "gateway", "node": "gw-1", "epoch": EPOCH, "time": TIME}
    bye.good("of a gateway", here, body, message)
    bye.good("of a sampler", "bye/sampler/gw-1/", body, message | {"role": "sampler"})
    bye.good("followed by elements of a later version", here, body + [None], message, canonical=False)
    not_bodies(bye, here)
    bye.cut(here, body)
    bye.fewer(here, body)
    bye.each(here, body, {0: VERSION, 1: NODE + [("is not the topic's", "gw-2", "range")], 2: EPOCHS, 3: NUMBER})
    bye.bad("topic: no role", "topic", "bye/gw-1/", body)
    return heartbeat, bye


KEYS = [("is a number", 1, "type"), ("is nil", None, "type"), ("is binary", b"key", "type"),
        ("has 257 bytes", "k" * 257, "range"), ("has a zero byte", "k\0", "range")]
IDS = [("is negative", -1, "range"), ("is text", "1", "type"), ("is a float", 1.0, "type"), ("is nil", None, "type")]


def batches():
    file = File()
    row = ["lot-12"] + FIGURES + EXACT
    shown = {"auction": "lot-12"} | SHOWN | SHOWN_EXACT
    body = [1, 77, "secret-key", [row]]
    message = {"kind": "batch", "id": 77, "key": "secret-key", "rows": [shown]}
    bare = ["A"] + FIGURES + [None] * 7
    file.good("one row", "batch/", body, message)
    file.good("two rows, one without exact figures", "batch/", [1, 2**63 - 1, "", [row, bare]],
              {"kind": "batch", "id": 2**63 - 1, "key": "", "rows": [shown, {"auction": "A"} | SHOWN]})
    file.good("a key of 256 bytes", "batch/", [1, 0, "k" * 256, [bare]],
              {"kind": "batch", "id": 0, "key": "k" * 256, "rows": [{"auction": "A"} | SHOWN]})
    file.good("figures that the store refuses", "batch/",
              [1, 1, "k", [["A", -BIG, -1, float("nan"), BIG, 0, -12] + [None] * 7,
                           ["A"] + FIGURES + [1, 2, float("-inf"), -3, -4, -5, False]]],
              {"kind": "batch", "id": 1, "key": "k", "rows": [
                  {"auction": "A", "timestamp": -BIG, "viewerCount": -1, "avgViewers": None, "peakViewers": BIG,
                   "minViewers": 0, "sampleCount": -12},
                  {"auction": "A"} | SHOWN | {"exactPeak": 1, "exactMin": 2, "exactAvg": None, "joins": -3,
                                              "leaves": -4, "coverageMs": -5, "complete": False}]})
    file.good("rows and request followed by elements of a later version", "batch/",
              body[:3] + [[row + [None, "x"]], {}], message, canonical=False)
    not_bodies(file, "batch/")
    file.cut("batch/", body)
    file.fewer("batch/", body)
    file.each("batch/", body, {0: VERSION, 1: IDS, 2: KEYS, 3: [
        ("is nil", None, "type"), ("is a map", {}, "type"), ("is empty", [], "range"), ("has a row of nil", [None], "type"),
        ("has an empty row", [[]], "format"), ("has a short row", [row[:13]], "format"),
        ("has a good row and a bad one", [row, [None] + row[1:]], "type"),
        ("has 1,001 rows that are none", [None] * 1001, "range")]})
    for index in range(14):
        for name, value, result in [("is an array", [], "type"), ("is text with a slash", "a/b",
                                                                   "range" if index == 0 else "type")]:
            file.bad(f"element {index} of a row {name}", result, "batch/",
                     body[:3] + [[row[:index] + [value] + row[index + 1:]]])
    file.bad("a figure of a row is 2^53", "range", "batch/", body[:3] + [[["A", 2**53] + row[2:]]])
    file.bad("a figure of a row is -2^53", "range", "batch/", body[:3] + [[["A", -2**53] + row[2:]]])
    file.bad("topic: setting", "format", "setting/", body)
    for name, bad in {"empty": "", "no slash": "batch", "more": "batch/x", "another": "batches/", "ack": "ack/"}.items():
        file.bad(f"topic: {name}", "topic", bad, body)
    return file


def settings():
    file = File()
    body = [1, 5, "secret-key", "lot-12", True]
    message = {"kind": "setting", "id": 5, "key": "secret-key", "auction": "lot-12", "enabled": True}
    file.good("on", "setting/", body, message)
    file.good("off", "setting/", body[:3] + [ID64, False], message | {"auction": ID64, "enabled": False})
    file.good("followed by elements of a later version", "setting/", body + [0], message, canonical=False)
    not_bodies(file, "setting/")
    file.cut("setting/", body)
    file.fewer("setting/", body)
    file.each("setting/", body, {
        0: VERSION, 1: IDS, 2: KEYS,
        3: [("is empty", "", "range"), ("has a dot", "a.b", "range"), ("has 65 bytes", "a" * 65, "range"),
            ("is binary", b"a", "type"), ("is nil", None, "type")],
        4: [("is a number", 1, "type"), ("is text", "true", "type"), ("is nil", None, "type")]})
    return file


def acks():
    file = File()
    body = [1, 77, "ok", "", 3, 2, 1, 2, [[0, "minViewers: 500 is above avgViewers 445"], [999, ""]], 4]
    message = {"kind": "ack", "id": 77, "code": "ok", "message": "", "saved": 3, "kept": 2, "ignored": 1, "refused": 2,
               "refusals": [[0, "minViewers: 500 is above avgViewers 445"], [999, ""]], "spooled": 4}
    file.good("with refusals", "ack/", body, message)
    file.good("of a store without a spool", "ack/", body[:9], message | {"spooled": 0}, canonical=False)
    empty = {"kind": "ack", "id": 0, "saved": 0, "kept": 0, "ignored": 0, "refused": 0, "refusals": [], "spooled": 0}
    for code in ("ok", "unauthorized", "invalid", "version", "unavailable"):
        file.good(code, "ack/", [1, 0, code, "über alles", 0, 0, 0, 0, [], 0], empty | {"code": code, "message": "über alles"})
    file.good("the most of everything", "ack/", [1, 2**63 - 1, "ok", "m" * 159, 1000, 1000, 1000, 1, [[7, "r" * 127]], 1000],
              empty | {"id": 2**63 - 1, "code": "ok", "message": "m" * 159, "saved": 1000, "kept": 1000, "ignored": 1000,
                       "refused": 1, "refusals": [[7, "r" * 127]], "spooled": 1000})
    file.good("followed by elements of a later version", "ack/", body[:8] + [[[0, "", 1], [1, "", None]], 4, 1],
              message | {"refusals": [[0, ""], [1, ""]]}, canonical=False)
    not_bodies(file, "ack/")
    file.cut("ack/", body)
    file.fewer("ack/", body[:9])
    rows = [("is text", "1", "type"), ("is nil", None, "type"), ("is negative", -1, "range"), ("is 1,001", 1001, "range")]
    file.each("ack/", body, {
        0: VERSION, 1: IDS,
        2: [("is unknown", "fine", "range"), ("is a number", 0, "type"), ("has 100 bytes", "o" * 100, "range")],
        3: [("is nil", None, "type"), ("has 160 bytes", "m" * 160, "range"), ("has a zero byte", "\0", "range")],
        4: rows, 5: rows, 6: rows, 7: rows + [("is not the number of refusals", 1, "range")],
        8: [("is nil", None, "type"), ("is empty", [], "range"), ("has nil", [[0, ""], None], "type"),
            ("has a pair of one", [[0, ""], [1]], "format"), ("has row 1,000", [[0, ""], [1000, ""]], "range"),
            ("has a reason of 128 bytes", [[0, ""], [1, "r" * 128]], "range"),
            ("has a number for a reason", [[0, 1], [1, ""]], "type")], 9: rows})
    file.bad("topic: batch", "topic", "batch/", body)
    file.bad("topic: no slash", "topic", "ack", body)
    return file


def main():
    heartbeat, bye = nodes()
    files = {"event": events(), "count": counts(), "snapshot": snapshots(), "heartbeat": heartbeat, "bye": bye,
             "batch": batches(), "setting": settings(), "ack": acks()}
    stale = []
    for name, file in files.items():
        lines = ",\n".join(json.dumps(vector) for vector in file.vectors)
        text, path = f"[\n{lines}\n]\n", HERE / f"{name}.json"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"not what make.py makes: {', '.join(stale)}")


main()
