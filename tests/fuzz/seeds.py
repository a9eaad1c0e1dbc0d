"""The inputs that every target begins with: the protocol's vectors, and what people wrote for each
form. seeds(target) gives them as bytes; a target's own form of input is told in its C file."""

import json
import pathlib
import sqlite3
import struct
import subprocess
import tempfile

import msgpack

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

HEAD = (
    b"GET /ws?auction=lot-12 HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nOrigin: https://shop.example\r\n"
    b"X-Forwarded-For: 203.0.113.7, 10.0.0.2\r\n"
    b'Forwarded: for="[2001:db9::1]:80";proto=https\r\n\r\n'
)
SNAPSHOT = {
    "timestamp": "2025-10-21T14:15:00Z",
    "viewerCount": 475,
    "avgViewers": 450.25,
    "peakViewers": 500,
    "minViewers": 400,
    "sampleCount": 12,
}


def vectors(*kinds):
    for kind in kinds:
        for vector in json.loads((ROOT / f"proto/vectors/{kind}.json").read_text()):
            yield vector["topic"].encode(), bytes.fromhex(vector["body_hex"])


def texts(*lists):
    """Each list as texts that end with a zero byte."""
    return [b"".join(text.encode() + b"\0" for text in words) for words in lists]


def messages():
    kinds = ("event", "count", "snapshot", "heartbeat", "bye")
    return [bytes([len(topic)]) + topic + body for topic, body in vectors(*kinds)]


def requests():
    return [bytes([topic == b"setting/"]) + body for topic, body in vectors("batch", "setting")]


def subscriptions():
    topics = ["", "event/", "event/c", "event/c8/", "event/c8/lot-12/", "heartbeat/gateway/gw-1/"]
    topics += ["heart", "renew/gateway/gw-1/3f/", "count/c8/lot-1", "renew/sampler/smp/00/"]
    names = [topic.split("/")[2] if topic.count("/") > 2 else "lot-12" for topic in topics]
    return [
        bytes([topic[:1] == "c"]) + name.encode() + b"\0" + topic.encode()
        for topic, name in zip(topics, names)
    ]


def frames():
    def frame(first, payload):
        mask = b"\x11\x22\x33\x44"
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        return bytes([first]) + length + mask + masked

    wholes = [frame(0x81, '{"event":"ping"} äöü €'.encode()), frame(0x89, b"beat"), frame(0x8A, b"")]
    wholes += [frame(0x88, b"\x03\xe8bye"), frame(0x82, bytes(200)), frame(0x88, b"")]
    wholes += [frame(0x01, b"a") + frame(0x89, b"") + frame(0x80, b"b")]
    return [b"\x10\x00\x07" + part for part in [*wholes, b"".join(wholes)]]


def records():
    head = msgpack.packb(["headcount-record", 1, 1761056100000])
    entries = [
        msgpack.packb([1000 * i, topic, body], use_bin_type=True)
        for i, (topic, body) in enumerate(vectors("event", "count", "bye"))
        if topic
    ][:6]
    return [head, head + entries[0], head + b"".join(entries)]


def bson():
    def element(kind, name, value):
        return bytes([kind]) + name + b"\0" + value

    def document(*elements):
        body = b"".join(elements) + b"\0"
        return struct.pack("<i", len(body) + 4) + body

    def text(value):
        return struct.pack("<i", len(value) + 1) + value + b"\0"

    times = element(9, b"timestamp", struct.pack("<q", 1761056100000))
    names = (b"viewerCount", b"peakViewers", b"minViewers", b"sampleCount")
    counts = [element(16, name, struct.pack("<i", 12)) for name in names]
    average = element(1, b"avgViewers", struct.pack("<d", 12.0))
    exact = [element(18, name, struct.pack("<q", 12)) for name in (b"exactPeak", b"exactMin", b"joins")]
    rest = [element(1, b"exactAvg", struct.pack("<d", 11.5)), element(8, b"complete", b"\1")]
    seed = element(2, b"auction", text(b"lot-12")), times, *counts, average
    oid = element(7, b"auction", bytes(range(12))), times, *counts, average
    return [document(*seed), document(*oid), document(*seed, *exact, *rest), document()]


def database(*statements):
    """The bytes of a small SQLite file."""
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        connection = sqlite3.connect(file.name)
        connection.execute("PRAGMA page_size=512")
        for statement in statements:
            connection.execute(*statement)
        connection.commit()
        connection.close()
        return pathlib.Path(file.name).read_bytes()


def spools():
    tables = [
        ("CREATE TABLE records(id INTEGER PRIMARY KEY AUTOINCREMENT,"
         " stored_at INTEGER NOT NULL, sum BLOB NOT NULL, bytes BLOB NOT NULL)",),
        ("CREATE TABLE set_aside(stored_at INTEGER NOT NULL, subject TEXT NOT NULL,"
         " reason TEXT NOT NULL, bytes BLOB NOT NULL, UNIQUE(subject, bytes))",),
    ]  # fmt: skip
    rows = [
        ("INSERT INTO records VALUES(?,?,?,?)", (i, 1000, bytes(16), bytes([i]) * 300 * i))
        for i in range(1, 4)
    ]
    aside = [("INSERT INTO set_aside VALUES(1000,'record 1','is no batch',x'00')",)]
    other = [("CREATE TABLE records(a TEXT)",), ("INSERT INTO records VALUES('x')",)]
    return [b"", database(*tables), database(*tables, *rows, *aside), database(*other)]


def store_databases():
    source = (ROOT / "storage/sqlite.c").read_text()
    schema = source[source.index("CREATE TABLE") :].split(";\n")[0]
    made = [part.replace('"', "").replace("\n", " ").strip() for part in schema.split(";")]
    statements = [(part,) for part in made if part.startswith(("CREATE TABLE", "PRAGMA"))]
    rows = [("INSERT INTO vieweranalytics VALUES('lot-12',60000,5,4.5,6,3,12,6,3,4.5,9,4,60000,1,1,1)",)]
    rows += [("INSERT INTO auctions VALUES(?,?)", (name, 1)) for name in ("lot-12", "no id!", "x" * 70)]
    files = (b"", database(*statements), database(*statements, *rows))
    return [bytes([flag]) + file for file in files for flag in (0, 1)]


def kept():
    bodies = [body for _, body in vectors("batch")]
    wrapped = [len(body).to_bytes(2, "big") + body for body in bodies]
    return [*wrapped[:4], b"".join(wrapped[:6]), wrapped[0] + b"\0\3abc" + wrapped[1] + b"\0\0"]


def settings():
    lines = [
        "EVENT_BIND=tcp://127.0.0.1:5550,ipc:///tmp/a", "TRUSTED_PROXIES=10.0.0.0/8,::1/128",
        "ALLOWED_ORIGINS=https://shop.example, http://localhost:3000", "SAMPLERS=3",
        "INTERNAL_API_KEY=secret-secret", "BACKEND_API_URL=https://shop.example/base",
        "STORE_ENDPOINTS=tcp://store:5570,tcp://[::1]:5571", "BUS_PLAINTEXT=true", "NODE_ID=gw-1",
        "ADMIN_API_KEY=another-secret", "KIND=event,count", "SPEED=0.5", "BIND=ipc:///tmp/b",
    ]  # fmt: skip
    flags = ["--port", "8081", "--log-level=debug", "--json", "--auction", "lot-1", "--auction=lot-2"]
    both = texts(lines, [""], flags, ["--sampler-ordinal=1", "--check"], ["ipc:///tmp/c", "--", "x"])
    return [bytes([i]) + both[0] + both[1] + part for i in range(8) for part in both[2:]]


def certificates():
    with tempfile.TemporaryDirectory() as folder:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command += ["-nodes", "-subj", "/CN=a", "-keyout", f"{folder}/key", "-out", f"{folder}/cert"]
        subprocess.run(command, check=True, capture_output=True)
        cert, key = ((pathlib.Path(folder) / name).read_bytes() for name in ("cert", "key"))
    return [len(first).to_bytes(2, "big") + first + rest for first, rest in ((cert, key), (key, cert))]


def bodies():
    changed = [{"viewerCount": 1.5}, {"avgViewers": 1e300}, {"timestamp": "2025-10-21T16:15:00.25+02:00"}]
    made = [SNAPSHOT, *({**SNAPSHOT, **change} for change in changed)]
    return [json.dumps(body).encode() for body in made] + [b"[]", b"{", b'{"a":1e999}', b"null"]


def queries():
    return [
        b"timeRange=24h&limit=100&format=csv", b"from=2025-10-21T14:15:00Z&to=2025-10-21T15:15:00Z",
        b"timeRange=all&from=x", b"limit=0", b"to=2025-10-21T16:15:00%2B02:00",
    ]  # fmt: skip


def answers():
    saved, kept_one = b'{"data":{"outcome":"saved"}}', b'{"success":true,"data":{"outcome":"kept"}}'
    refused = b'{"error":{"message":"minViewers: is missing"}}'
    pairs = [(201, saved), (200, kept_one), (400, refused), (503, b""), (200, b"x")]
    parts = [status.to_bytes(2, "big") + bytes([len(text)]) + text for status, text in pairs]
    return [*parts, b"".join(parts)]


def bus_keys():
    public, secret = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
    names = [secret + "\n", "sampler.pub", public, "tap-alice.pub", public + "\r\n", "notes.txt", "x"]
    return [bytes([role]) + texts(names)[0] for role in range(6)]


def addresses():
    found = ["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", "::ffff:10.0.0.1", "none"]
    return texts(*([text] for text in [*found, "10.0.0.0/8,2001:db8::/32", "0.0.0.0/0"]))


def forwarded():
    x = texts(["junk", "1.2.3.4", "203.0.113.7, 10.0.0.2", "10.0.0.3"], ["a", "b", "10.0.0.1"])
    rfc = texts(["for=_x", 'for="[2001:db9::1]:80"', 'for=203.0.113.7;proto=http, for="10.0.0.2:1"'])
    return [b"\0" + text for text in x] + [b"\1" + text for text in rfc]


def endpoints():
    lists = ["tcp://127.0.0.1:5550,ipc:///run/a.ipc", "tcp://sampler:5560", "tcp://[::1]:80, tcp://*:1"]
    lists += ["tcp://[::ffff:127.0.0.1]:5", "ipc://@a", "tcp://a_b.c:65535"]
    return texts(*([text] for text in lists))


def handshakes():
    parts = ["/ws", "13", "", "https://shop.example", "https://shop.example", "auction=lot-12", "x=1"]
    return [b"\0\0" + texts(parts)[0], b"\4\0" + texts(["/healthz"])[0], b"\0\1" + texts(["/ws"])[0]]


def pieces():
    cuts = [(0, len(HEAD)), (0, 40, 41, len(HEAD)), (0, len(HEAD) - 2, len(HEAD))]
    parts = [[HEAD[a:b] for a, b in zip(cut, cut[1:])] for cut in cuts]
    framed = [b"".join(len(part).to_bytes(2, "big") + part for part in list_) for list_ in parts]
    return [bytes([flags]) + text for flags, text in enumerate(framed)]


def targets():
    paths = ["/api/v1/auctions/lot-12/analytics/viewers?timeRange=1h&limit=10", "/", "/auctions?after=a%20b",
             "/api/v1/auctions/lot-12/settings", "/api/v1/auctions/a%2Fb/viewers", "/assets/style.css"]  # fmt: skip
    return texts(*([method, path] for path in paths for method in ("GET", "PATCH")))


SEEDS = {
    "ack": lambda: [body for _, body in vectors("ack")],
    "address": addresses,
    "api_header": lambda: texts(
        ["current-key", "Bearer previous-key"], ["x", "bearer  current-key"], ['W/"a", "abc123"', "*"]
    ),
    "backend_answer": answers,
    "bus_keys": bus_keys,
    "clock": lambda: texts(["2025-10-21T14:15:00Z"], ["2024-02-29T23:59:59.999+05:30"]),
    "document": bson,
    "endpoint": endpoints,
    "follow": lambda: [bytes([1, 9, 4, 0x14, 5, 0x14, 0, 1, 9, 2, 0xF8, 2, 3, 0x14, 0xF8]), b"\1\4\x10"],
    "forwarded": forwarded,
    "frame_reader": frames,
    "job": lambda: [body for _, body in vectors("batch")],
    "log": lambda: [form + text for form in (b"\0", b"\1") for text in texts(["said", 'a "b"\n', "ä\x1b"])],
    "message": messages,
    "origin": lambda: texts(
        ["https://shop.example, http://[::1]:3000", "HTTPS://shop.example:443"], ["*", "null"]
    ),
    "outbox_writer": kept,
    "reader": lambda: [bytes([2, 8, 1, 3, 3, 3, 3, 0, 4, 8, 4, 3, 1, 5, 12, 1, 0x98, 9, 3, 9]), b"\0" * 8],
    "record": records,
    "request_head": lambda: [
        b"\0\x10" + head for head in (HEAD, HEAD[:60], HEAD.replace(b"/ws?", b"http://a/ws?b=%41&"))
    ],
    "settings": settings,
    "settings_body": lambda: [
        b'{"enableViewerAnalytics":true}', b'{"enableViewerAnalytics":1,"other":[]}'
    ],
    "snapshot_body": bodies,
    "snapshot_query": queries,
    "spool_damage": lambda: [b"\3\1\2\0", b"\x0b" + bytes(range(12)) + b"\x00\x30\x10\xff\x00\x00\x20\x07"],
    "spool_file": spools,
    "spooling": kept,
    "sqlite": store_databases,
    "store_request": requests,
    "subscription": subscriptions,
    "target": targets,
    "tls_server": certificates,
    "tls_session": lambda: [b"\1", b"\3", b"\1\0\x20\x01", b"\3\0\x40\xff", b"\0\5\x16\3\1\0\x01"],
    "viewer_handshake": pieces,
    "viewer_protocol": handshakes,
}


def seeds(target):
    return SEEDS[target]()
