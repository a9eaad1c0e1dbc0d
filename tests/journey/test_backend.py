"""Snapshots to a backend of the owner's over HTTP, as the seed's socket server posted them."""

import http.server
import json
import threading

import pytest

from service import run_program
from waiting import wait_until

WINDOW_MS = 1000
TEMPO = {"SAMPLE_INTERVAL_MS": 250, "SNAPSHOT_INTERVAL_MS": WINDOW_MS, "ACK_TIMEOUT_MS": 500}
FIELDS = {"timestamp", "viewerCount", "avgViewers", "peakViewers", "minViewers", "sampleCount"}


def snapshot_path(auction):
    return f"/api/v1/auctions/{auction}/analytics/snapshot"


class Backend:
    """A backend that answers as it is told; answer(path, body) gives a status and headers."""

    def __init__(self):
        self.posts = []  # of (path, headers, body)
        self.taken = []  # of (path, body), those answered with 200
        self.answer = lambda path, body: (200, {})
        self.hold = threading.Event()
        self.hold.set()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                backend.posts.append((self.path, dict(self.headers), body))
                backend.hold.wait(20)
                status, headers = backend.answer(self.path, body)
                if status == 200:
                    backend.taken.append((self.path, body))
                text = b'{"success":true,"message":"Viewer snapshot saved"}'
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments):
                pass  # a client that gave up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def times(self, auction):
        path = snapshot_path(auction)
        return [body["timestamp"] for posted, _, body in self.posts if posted == path]

    def windows_taken(self, auction):
        path = snapshot_path(auction)
        return {body["timestamp"] for posted, body in self.taken if posted == path}

    def stop(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def backend():
    backend = Backend()
    yield backend
    backend.stop()


@pytest.fixture
def make_posting(make_system):
    def make(url, **options):
        return make_system(
            settings=TEMPO, stores=0, apis=0, sampler={"BACKEND_API_URL": url, **options}
        )

    return make


def held(system):
    return system.sampler.metric("headcount_sampler_outbox_rows")


def acknowledged(system, outcome="saved"):
    name = f'headcount_sampler_acknowledged_rows_total{{outcome="{outcome}"}}'
    return system.sampler.metric(name)


def test_a_snapshot_is_posted_as_the_seed_did(make_posting, backend):
    system = make_posting(backend.url + "/", ACK_TIMEOUT_MS=10000)
    for viewer in system.join("lot-1", 3):
        viewer.wait_count(3)

    def quiet():
        """The first post of a window in which nobody joined and the sampler was never held up."""
        figures = ("minViewers", "viewerCount", "sampleCount")
        found = (post for post in backend.posts if [post[2][name] for name in figures] == [3, 3, 4])
        return next(found, None)

    path, headers, body = wait_until(quiet, what="the post of a quiet window")
    wait_until(lambda: len(backend.times("lot-1")) >= 3, what="posts")
    assert path == "/api/v1/auctions/lot-1/analytics/snapshot"
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["x-internal-api-key"] == system.internal_key
    assert headers["content-type"] == "application/json"
    assert set(body) == FIELDS
    assert (body["peakViewers"], body["avgViewers"]) == (3, 3)
    assert body["timestamp"].endswith("Z")
    times = backend.times("lot-1")
    assert len(times) == len(set(times)), "what was answered is not posted again"
    wait_until(lambda: acknowledged(system) >= 3, what="acknowledgements")


def test_many_auctions_go_in_one_minute(make_posting, backend):
    system = make_posting(backend.url)
    auctions = [f"lot-{number}" for number in range(100)]
    for auction in auctions:
        system.viewer(auction)
    wait_until(lambda: all(backend.times(auction) for auction in auctions), 30, "all to be posted")


@pytest.mark.parametrize("trouble", ["error", "hang", "gone", "redirect", "busy"])
def test_what_is_not_taken_is_posted_again(make_posting, backend, trouble):
    system = make_posting(backend.url)
    viewer = system.viewer("lot-1")
    viewer.wait_count(1)
    wait_until(lambda: acknowledged(system) >= 1, what="a post to be taken")
    elsewhere = {"location": backend.url + "/elsewhere"}
    answers = {"error": (503, {}), "redirect": (307, elsewhere), "busy": (429, {})}
    if trouble == "hang":
        backend.hold.clear()
    elif trouble == "gone":
        backend.answer = lambda path, body: backend.server.no_such_thing
    else:
        backend.answer = lambda path, body: answers[trouble]
    refused = 'headcount_sampler_acks_total{code="unavailable"}'
    wait_until(lambda: system.sampler.metric(refused) >= 2, what="the trouble to be noticed")
    wait_until(lambda: held(system) >= 3, what="snapshots to be held")
    assert not [path for path, _, _ in backend.posts if path == "/elsewhere"]
    assert system.internal_key not in system.sampler.log()
    backend.answer = lambda path, body: (200, {})
    backend.hold.set()
    wait_until(lambda: held(system) <= 1, what="them to be taken")
    system.leave(viewer)
    made = system.wait_last_window()
    assert len(backend.windows_taken("lot-1")) == made >= 4
    assert system.sampler.metric("headcount_sampler_dropped_rows_total") == 0


def test_a_wrong_key_keeps_what_there_is(make_posting, backend):
    backend.answer = lambda path, body: (401, {})
    system = make_posting(backend.url)
    system.viewer("lot-1").wait_count(1)
    refused = 'headcount_sampler_acks_total{code="unauthorized"}'
    wait_until(lambda: system.sampler.metric(refused) >= 1, what="a refusal")
    wait_until(lambda: held(system) >= 2, what="snapshots to be held")
    (line, *_) = system.sampler.log_lines("sampler.not_taken", "error")
    assert "the backend answers 401" in str(line)


def test_a_snapshot_that_is_refused_does_not_block_the_rest(make_posting, backend):
    backend.answer = lambda path, body: (422 if "lot-bad" in path else 200, {})
    system = make_posting(backend.url)
    system.viewer("lot-bad")
    system.viewer("lot-good")
    wait_until(lambda: len(set(backend.times("lot-good"))) >= 2, what="the good ones")
    wait_until(lambda: acknowledged(system, "refused") >= 1, what="the bad one to be told")
    assert "the backend answers 422" in system.sampler.log()


def test_our_own_api_is_such_a_backend(make_system, backend):
    """Through a death of the api and of the sampler; each minute is stored once."""
    system = make_system(settings=TEMPO, start=False)
    system.sampler.settings["BACKEND_API_URL"] = f"http://127.0.0.1:{system.api.port}"
    system.start()
    system.set_tracking("lot-1")
    system.viewer("lot-1").wait_count(1)
    wait_until(lambda: len(system.snapshots("lot-1")) >= 2, what="snapshots")
    assert system.store.metric("headcount_store_requests_total") >= 2
    known = {snapshot["timestamp"] for snapshot in system.snapshots("lot-1")}
    system.api.kill9()
    wait_until(lambda: held(system) >= 3, what="snapshots to be held")
    wait_until(
        lambda: system.sampler.metric("headcount_sampler_outbox_disk_bytes") > 0
        and system.sampler.metric("headcount_sampler_outbox_memory_only_batches") == 0,
        what="them to be on disk",
    )
    system.sampler.kill9()
    system.api.start().wait_ready()
    system.sampler.start().wait_ready()
    wait_until(
        lambda: len({row["timestamp"] for row in system.snapshots("lot-1")} - known) >= 3,
        30,
        "those of the time between",
    )
    times = [row["timestamp"] for row in system.snapshots("lot-1")]
    assert len(times) == len(set(times))


@pytest.mark.parametrize(
    "url",
    ["backend", "ftp://backend", "http://", "http://user:pw@backend", "http://backend/?a=b"],
)
def test_a_url_that_cannot_be_one_is_named(url):
    settings = {"INTERNAL_API_KEY": "a-key-of-tests", "BACKEND_API_URL": url}
    result = run_program("sampler", "--check", settings=settings)
    assert result.returncode == 102
    assert "BACKEND_API_URL: " in result.stderr and "allowed: http://" in result.stderr
