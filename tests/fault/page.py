"""Viewers as cheap as can be: thousands of real WebSocket connections in one asyncio loop.

    Page      a browser tab: it stays with its auction and connects again when it is cut off
    Link      one connection of a page, which reads counts and answers pings (RFC 6455)
    Gateways  the balancer: of two gateways that are ready it takes the one with fewer links

Whoever holds the pages is told of every link that is tried, then failed or opened, then closed.
"""

import asyncio
import random
import struct

CONNECT_SECONDS = 2  # for connection and handshake
RETURN_SECONDS = 1.0  # a page that was cut off comes back within that
PROBE_SECONDS = 0.25
REQUEST = (
    "GET /ws?auction={} HTTP/1.1\r\nHost: headcount\r\nUpgrade: websocket\r\nConnection: Upgrade"
    "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
GOING_AWAY = 1001


def frame(kind, payload):
    """A short frame as clients send it; masked with zeros, which leaves it readable."""
    return bytes([kind, 0x80 | len(payload)]) + bytes(4) + payload


class Link(asyncio.Protocol):
    def __init__(self, page, gateway, holder):
        self.page, self.gateway, self.holder = page, gateway, holder
        self.transport = None
        self.rest = b""
        self.open = False
        self.shown = None  # the count told last
        self.since = None  # when it opened; the holder's
        self.admitted = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(REQUEST.format(self.page.auction).encode())

    def data_received(self, data):
        data = self.rest + data if self.rest else data
        at = 0
        if not self.open:
            at = data.find(b"\r\n\r\n") + 4
            if at == 3:
                self.rest = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self._open()
        while len(data) >= at + 2:
            length, head = data[at + 1], 2
            if length == 126:
                if len(data) < at + 4:
                    break
                (length,), head = struct.unpack_from("!H", data, at + 2), 4
            assert length < 127, "a gateway sends short frames"
            if len(data) < at + head + length:
                break
            self._take(data[at], data[at + head : at + head + length])
            at += head + length
        self.rest = data[at:]

    def _open(self):
        self.open = True
        self.gateway.links += 1
        self.holder.opened(self)
        if not self.admitted.done():
            self.admitted.set_result(True)

    def _take(self, kind, payload):
        if kind == TEXT:
            at = payload.find(b'"count":')
            self.shown = int(payload[at + 8 : -1])
        elif kind == PING:
            self.transport.write(frame(0x8A, payload))
        elif kind == CLOSE:
            self.transport.write(frame(CLOSE, payload))
            self.transport.close()

    def _close(self):
        if self.open:
            self.open = False
            self.gateway.links -= 1
            self.holder.closed(self)

    def connection_lost(self, error):
        self._close()
        if not self.admitted.done():
            self.admitted.set_result(False)
        self.page.lost(self)

    def leave(self):
        """As tabs end: with a close frame, or just gone."""
        self._close()
        if random.random() < 0.5:
            self.transport.write(frame(CLOSE, struct.pack("!H", GOING_AWAY)))
            self.transport.close()
        else:
            self.transport.abort()


class Page:
    def __init__(self, auction, gateways, holder):
        self.auction, self.gateways, self.holder = auction, gateways, holder
        self.link = None
        self.wanted = False
        self.connecting = None

    def join(self):
        self.wanted = True
        if not self.connecting and not self.link:
            self.connecting = asyncio.ensure_future(self._connect())

    def leave(self):
        self.wanted = False
        if self.link:
            link, self.link = self.link, None
            link.leave()

    def lost(self, link):
        if link is self.link:
            self.link = None
            if self.wanted and not self.connecting:
                self.connecting = asyncio.ensure_future(self._return())

    async def _return(self):
        await asyncio.sleep(random.uniform(0, RETURN_SECONDS))
        await self._connect()

    async def _connect(self):
        while self.wanted and not self.link:
            gateway = self.gateways.pick()
            if not gateway or not await self._try(gateway):
                await asyncio.sleep(random.uniform(0.02, 0.2))
        self.connecting = None
        if self.wanted != bool(self.link):  # changed its mind meanwhile
            self.join() if self.wanted else self.leave()

    async def _try(self, gateway):
        link = Link(self, gateway, self.holder)
        loop = asyncio.get_running_loop()
        gateway.trying += 1
        self.holder.trying(self.auction, gateway)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: link, gateway.address, gateway.port)
                admitted = await link.admitted
        except (OSError, asyncio.TimeoutError):
            admitted = False
        finally:
            gateway.trying -= 1
            if link.since is None:
                self.holder.failed(self.auction, gateway)
        if admitted and link.open:
            self.link = link
            return True
        if link.transport:
            link.transport.abort()
        return False


class Gateway:
    def __init__(self, name, address, port):
        self.name, self.address, self.port = name, address, port
        self.ready = False  # as the balancer found it
        self.reachable = True  # as the test knows it
        self.cut = False  # nobody can come or go
        self.trying = 0  # handshakes under way
        self.links = 0  # open


class Gateways:
    def __init__(self):
        self.all = {}  # name -> Gateway
        self.probing = asyncio.ensure_future(self._probe())

    def add(self, name, address, port):
        self.all[name] = Gateway(name, address, port)

    def remove(self, name):
        self.all.pop(name, None)

    def pick(self):
        ready = [gateway for gateway in self.all.values() if gateway.ready and not gateway.cut]
        two = random.choices(ready, k=2) if ready else []
        return min(two, key=lambda gateway: gateway.links, default=None)

    async def stop_trying(self, gateway):
        """Cuts it off from new links and waits for those under way."""
        gateway.cut = True
        while gateway.trying:
            await asyncio.sleep(0.005)

    async def _ask(self, gateway):
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(gateway.address, gateway.port)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: headcount\r\n\r\n")
                answer = await reader.readline()
                writer.close()
            gateway.ready = b" 200 " in answer
        except (OSError, asyncio.TimeoutError):
            gateway.ready = False

    async def _probe(self):
        while True:
            await asyncio.gather(*(self._ask(gateway) for gateway in list(self.all.values())))
            await asyncio.sleep(PROBE_SECONDS)
