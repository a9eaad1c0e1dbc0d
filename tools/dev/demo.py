"""A moving crowd of real WebSocket viewers for a system that `./dev up` runs.

In: the running system's ports and admin key. Work: turns tracking on for a few auctions, then lets
viewers come and go until Ctrl-C. Out: the pages have life. One process, one asyncio loop.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import pathlib
import random
import signal
import sys
import time
import urllib.error
import urllib.request

import websockets

AUCTIONS = ["demo-art", "demo-cars", "demo-wine", "demo-books"]
MOVES_A_SECOND = 8  # joins and leaves of one auction, at most
PERIOD_SECONDS = 240  # of the crowd's tide


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="dev demo", description="A moving crowd of viewers for a system that is up."
    )
    parser.add_argument(
        "--viewers", type=int, default=200, help="the most at once, 1 to 5000; default 200"
    )
    parser.add_argument("--seconds", type=int, default=0, help="stop by itself; 0: at Ctrl-C")
    arguments = parser.parse_args()
    if not 1 <= arguments.viewers <= 5000 or arguments.seconds < 0:
        parser.error("--viewers takes 1 to 5000, --seconds 0 or more")
    return arguments


def find_host():
    address = os.environ.get("LISTEN_ADDRESS") or "127.0.0.1"
    if address in ("0.0.0.0", "::", "[::]"):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address and "[" not in address else address


def read_admin_key():
    path = os.environ.get("ADMIN_API_KEY_FILE")
    if not path and os.environ.get("ADMIN_API_KEY"):
        return os.environ["ADMIN_API_KEY"]
    return pathlib.Path(path or "data/admin_api_key").read_text().splitlines()[0]


def turn_tracking_on(base, key, auction):
    request = urllib.request.Request(
        f"{base}/api/v1/auctions/{auction}/settings",
        data=json.dumps({"enableViewerAnalytics": True}).encode(),
        headers={"Content-Type": "application/json", "x-admin-api-key": key},
        method="PATCH",
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=10):
        pass


class Crowd:
    """The viewers of one auction."""

    def __init__(self, url, auction, most):
        self.url = f"{url}?auction={auction}"
        self.most = most
        self.phase = random.random() * 2 * math.pi
        self.sockets = set()
        self.refused = 0

    def wanted(self, now):
        tide = 0.55 + 0.4 * math.sin(self.phase + now * 2 * math.pi / PERIOD_SECONDS)
        return max(1, round(self.most * tide + random.gauss(0, self.most / 30)))

    async def _watch(self, socket):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for _ in socket:
                pass
        self.sockets.discard(socket)

    async def _join(self):
        try:
            socket = await websockets.connect(self.url, ping_interval=None, compression=None)
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
            self.refused += 1
            return
        self.sockets.add(socket)
        asyncio.ensure_future(self._watch(socket))

    async def move(self):
        difference = self.wanted(time.monotonic()) - len(self.sockets)
        moves = random.randint(1, MOVES_A_SECOND)
        if difference > 0:
            for _ in range(min(difference, moves)):
                await self._join()
        elif self.sockets:
            leaving = random.sample(list(self.sockets), min(-difference, moves, len(self.sockets)))
            await asyncio.gather(*(socket.close() for socket in leaving))

    async def leave(self):
        await asyncio.gather(*(s.close() for s in list(self.sockets)), return_exceptions=True)


async def run(arguments, url):
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    most = max(1, arguments.viewers // len(AUCTIONS))
    crowds = [Crowd(url, auction, most) for auction in AUCTIONS[: arguments.viewers]]
    end = time.monotonic() + (arguments.seconds or math.inf)
    lost = False
    while not stopping.is_set() and not lost and time.monotonic() < end:
        for crowd in crowds:
            crowd.refused = 0
        await asyncio.gather(*(crowd.move() for crowd in crowds))
        lost = any(crowd.refused for crowd in crowds) and not any(c.sockets for c in crowds)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopping.wait(), random.uniform(0.3, 1))
    await asyncio.gather(*(crowd.leave() for crowd in crowds))
    if lost:
        print("demo: the gateway is gone", file=sys.stderr)
    return 1 if lost else 0


def main():
    arguments = parse_arguments()
    host = find_host()
    base = f"http://{host}:{os.environ.get('API_PORT') or 8080}"
    url = f"ws://{host}:{os.environ.get('GATEWAY_PORT') or 8081}/ws"
    try:
        key = read_admin_key()
        for auction in AUCTIONS:
            turn_tracking_on(base, key, auction)
    except urllib.error.HTTPError as error:
        print(f"demo: {base} refused to turn tracking on: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"demo: nothing runs at {base} ({error}); ./dev up first, in another terminal, or tell where by "
            "API_PORT and GATEWAY_PORT",
            file=sys.stderr,
        )
        return 1
    print(f"demo: up to {arguments.viewers} viewers in {', '.join(AUCTIONS)}; look at {base}/")
    print("demo: Ctrl-C lets them leave", flush=True)
    return asyncio.run(run(arguments, url))


if __name__ == "__main__":
    sys.exit(main())
