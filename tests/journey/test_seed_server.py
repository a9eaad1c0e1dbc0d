"""A socket server written from the seed's document alone posts to our api, unchanged."""

import datetime
import http.client
import json

from databases import both_databases

SAMPLES = [420, 425, 430, 435, 440, 445, 450, 455, 460, 465, 470, 475]


class SeedSocketServer:
    """What the seed describes: samples in memory, one POST a minute, a key both servers share."""

    def __init__(self, backend_port, internal_api_key, key_header):
        self.backend_port = backend_port
        self.headers = {"Content-Type": "application/json", **key_header(internal_api_key)}
        self.samples = []

    def sample(self, viewer_count):
        self.samples.append(viewer_count)

    def send_analytics(self, auction, timestamp):
        body = {
            "timestamp": timestamp,
            "viewerCount": self.samples[-1],
            "avgViewers": sum(self.samples) / len(self.samples),
            "peakViewers": max(self.samples),
            "minViewers": min(self.samples),
            "sampleCount": len(self.samples),
        }
        self.samples = []
        backend = http.client.HTTPConnection("localhost", self.backend_port, timeout=10)
        path = f"/api/v1/auctions/{auction}/analytics/snapshot"
        backend.request("POST", path, json.dumps(body), self.headers)
        response = backend.getresponse()
        return response.status, json.loads(response.read())


def in_own_header(key):
    return {"x-internal-api-key": key}


def as_bearer(key):
    return {"Authorization": f"Bearer {key}"}


def minutes_ago(minutes):
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    return (now - datetime.timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@both_databases
def test_a_seed_socket_server_works_unchanged(make_system):
    system = make_system(gateways=0, samplers=0)
    auction = "5f0c1e2d3b4a596877665544"
    system.set_tracking(auction)
    minutes = [minutes_ago(3), minutes_ago(2), minutes_ago(1).replace("Z", ".250Z")]
    for index, minute in enumerate(minutes):
        key_header = as_bearer if index % 2 else in_own_header
        server = SeedSocketServer(system.api.port, system.internal_key, key_header)
        for viewer_count in SAMPLES:
            server.sample(viewer_count)
        status, answer = server.send_analytics(auction, minute)
        assert status in (200, 201) and answer["success"] is True, answer
    found = system.snapshots(auction)
    assert [snapshot["timestamp"] for snapshot in found] == minutes
    expected = {
        "viewerCount": 475,
        "avgViewers": sum(SAMPLES) / 12,
        "peakViewers": 475,
        "minViewers": 420,
        "sampleCount": 12,
    }
    for snapshot in found:
        assert {name: snapshot[name] for name in expected} == expected
        assert "exactPeak" not in snapshot


def test_a_seed_socket_server_with_the_wrong_key_writes_nothing(make_system):
    system = make_system(gateways=0, samplers=0)
    system.set_tracking("123")
    server = SeedSocketServer(system.api.port, "your-secret-key-12345", in_own_header)
    server.sample(3)
    status, answer = server.send_analytics("123", minutes_ago(1))
    assert status == 401 and answer["success"] is False, answer
    assert answer["error"]["code"] and answer["error"]["message"]
    assert system.snapshots("123") == []


def test_a_tracking_flag_that_is_off_is_no_error_for_a_seed_server(make_system):
    system = make_system(gateways=0, samplers=0)
    server = SeedSocketServer(system.api.port, system.internal_key, in_own_header)
    server.sample(3)
    status, answer = server.send_analytics("123", minutes_ago(1))
    assert status == 200 and answer["success"] is True, answer
    assert answer["data"]["outcome"] == "ignored"
    assert system.snapshots("123") == []
