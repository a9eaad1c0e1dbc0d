"""Real WebSocket viewers in the background, read from ordinary test code."""

import asyncio
import json
import threading

import websockets

from waiting import WAIT_SECONDS, wait_until


class Viewer:
    """One WebSocket viewer; its members may be read from any thread."""

    def __init__(self, auction):
        self.auction = auction
        self.frames = []  # every message, as JSON
        self.socket = None
        self.closed = None  # close code, once closed

    @property
    def counts(self):
        return [
            frame["count"] for frame in self.frames if frame.get("event") == "viewerCountUpdate"
        ]

    @property
    def count(self):
        """The newest count told, or None before the first."""
        return next(reversed(self.counts), None)

    def wait_count(self, count, timeout=WAIT_SECONDS):
        try:
            wait_until(lambda: self.count == count, timeout, f"{self.auction} to show {count}")
        except AssertionError as error:
            raise AssertionError(f"{error}; shown so far: {self.counts[-20:]}") from None


class Viewers:
    """A thread with an asyncio loop that holds viewers' sockets."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.all = []

    def run(self, coroutine, timeout=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    async def _read(self, viewer):
        try:
            async for message in viewer.socket:
                viewer.frames.append(json.loads(message))
        except websockets.ConnectionClosed:
            pass
        viewer.closed = viewer.socket.close_code

    async def _open(self, url, auction, options):
        viewer = Viewer(auction)
        viewer.socket = await websockets.connect(
            f"{url}?auction={auction}",
            **{"ping_interval": None, "compression": None, "close_timeout": 2, **options},
        )
        viewer.reader = self.loop.create_task(self._read(viewer))
        self.all.append(viewer)
        return viewer

    async def _open_many(self, url, auction, count, options):
        result = []
        while len(result) < count:
            part = min(50, count - len(result))
            opening = (self._open(url, auction, options) for _ in range(part))
            result += await asyncio.gather(*opening)
        return result

    def join(self, url, auction, count=1, **options):
        """A list of viewers that have connected."""
        return self.run(self._open_many(url, auction, count, options))

    async def _close(self, viewers):
        await asyncio.gather(*(viewer.socket.close() for viewer in viewers))

    def close(self, viewers):
        """Closes in the orderly way."""
        self.run(self._close(viewers))

    async def _abort(self, viewers):
        for viewer in viewers:
            viewer.socket.transport.abort()

    def abort(self, viewers):
        """Cuts the connections without a WebSocket close."""
        self.run(self._abort(viewers))

    async def _end(self):
        for viewer in self.all:
            if viewer.socket.transport:
                viewer.socket.transport.abort()
        await asyncio.gather(*(viewer.reader for viewer in self.all), return_exceptions=True)

    def stop(self):
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
