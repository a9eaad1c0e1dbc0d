"""The referee: a process that holds the viewers, knows the truth, and judges what is said of it.

In: commands, one JSON array a line, from the standard input: [name, arguments…], each of them a
method of Commands. Out: one JSON value a line, its result. It judges all the time, twenty times
a second, every viewer at a gateway that can be reached, and what every api says that is up.
"""

import asyncio
import collections
import contextlib
import json
import random
import resource
import sys
import time

import page
import truth

JUDGE_SECONDS = 0.05  # what is wrong twice running is an error: the referee's news travels too
POLL_SECONDS = 0.2
ANSWER_SECONDS = 1.0
OPENING = 200  # connections under way at once in the beginning


def wall_ms():
    return int(time.time() * 1000)


class Audience:
    """The pages, and the truth about them."""

    def __init__(self):
        self.clock = truth.Clock(time.monotonic())
        self.shares = collections.defaultdict(dict)  # auction -> gateway -> Share
        self.gateways = page.Gateways()
        self.pages = []
        self.links = set()  # open

    def time(self):
        return self.clock.now(time.monotonic())

    def _change(self, auction, gateway, open, trying):
        now, wall = self.time(), wall_ms()
        share = self.shares[auction].get(gateway)
        if not share:
            share = self.shares[auction][gateway] = truth.Share(now, wall)
        share.open += open
        share.trying += trying
        share.note(now, wall)

    def trying(self, auction, gateway):
        self._change(auction, gateway, 0, 1)

    def failed(self, auction, gateway):
        self._change(auction, gateway, 0, -1)

    def opened(self, link):
        link.since = self.time()
        self.links.add(link)
        self._change(link.page.auction, link.gateway, 1, -1)

    def closed(self, link):
        self.links.discard(link)
        self._change(link.page.auction, link.gateway, -1, 0)

    def reach(self, gateway, reachable):
        """From now on somebody knows who is there, or nobody does."""
        gateway.reachable = reachable
        gateway.cut = gateway.cut and not reachable
        for shares in self.shares.values():
            share = shares.get(gateway)
            if share:
                share.reachable, share.most = reachable, 0
                share.note(self.time(), wall_ms())

    def bounds(self, since):
        """{auction: (least, greatest)} that would be right."""
        every = self.shares.items()
        return {name: truth.add(s.bounds(since) for s in of.values()) for name, of in every}

    def now(self):
        every = self.shares.items()
        return {name: truth.add(s.now() for s in of.values()) for name, of in every}

    async def fill(self, auctions, viewers):
        names = [f"lot-{number:03d}" for number in range(auctions)]
        for number in range(viewers):
            self.pages.append(page.Page(names[number % auctions], self.gateways, self))
        for first in range(0, viewers, OPENING):
            group = self.pages[first : first + OPENING]
            for one in group:
                one.join()
            while not all(one.link for one in group):
                await asyncio.sleep(0.01)

    async def churn(self, rate):
        """Half of rate leave each second, and as many others join."""
        away = []
        due = time.monotonic()
        try:
            while True:
                due += 2 / rate
                await asyncio.sleep(max(0, due - time.monotonic()))
                one = random.choice(self.pages)
                if one.link and not one.link.gateway.cut:
                    one.leave()
                    away.append(one)
                if len(away) > rate // 10:
                    away.pop(random.randrange(len(away))).join()
        finally:
            for one in away:
                one.join()


class Api:
    """One api, asked over one connection."""

    def __init__(self, name, address, port):
        self.name, self.address, self.port = name, address, port
        self.up = True
        self.connection = None
        self.lock = asyncio.Lock()

    def close(self):
        if self.connection:
            self.connection[1].transport.abort()
        self.connection = None

    async def _get(self, path):
        if not self.connection:
            self.connection = await asyncio.open_connection(self.address, self.port, limit=2**20)
        reader, writer = self.connection
        writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: headcount\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        return body["data"] if " 200 " in head.split("\r\n")[0] else None

    async def get(self, path):
        """The data of an answer, or None when there is none."""
        async with self.lock:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await self._get(path)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                self.close()
                return None

    async def counts(self):
        """{auction: viewers} of the list; what is not known is missing."""
        data = await self.get("/auctions?limit=1000")
        return {row["id"]: row["viewers"] for row in data["auctions"]} if data else {}

    async def viewers(self, auction):
        data = await self.get(f"/auctions/{auction}/viewers")
        return data["viewers"] if data else None


class Judge:
    def __init__(self, audience):
        self.audience = audience
        self.apis = {}
        self.errors = truth.Errors()
        self.suspects = set()  # links that were wrong when last looked at
        self.tasks = [asyncio.ensure_future(self._watch_viewers())]

    def _judged(self, link, since):
        """Nothing need be shown yet to one who has just come."""
        return link.gateway.reachable and (link.shown is not None or link.since <= since)

    def _judge_viewers(self, since):
        bounds, suspects = self.audience.bounds(since), set()
        for link in self.audience.links:
            low, high = bounds[link.page.auction]
            if link.shown is not None and low <= link.shown <= high:
                continue
            if not self._judged(link, since):
                continue
            suspects.add(link)
            if link in self.suspects:
                what = f"{link.page.auction} at {link.gateway.name}"
                self.errors.add("viewers", what, link.shown, low, high, time.monotonic())
        self.suspects = suspects

    async def _watch_viewers(self):
        while True:
            await asyncio.sleep(JUDGE_SECONDS)
            self._judge_viewers(self.audience.time() - truth.LAG)

    def _wrong(self, counts, since):
        """{auction: (said, least, greatest)} of those that an api says wrong."""
        bounds = self.audience.bounds(since).items()
        said = ((name, (counts.get(name), low, high)) for name, (low, high) in bounds)
        return {name: of for name, of in said if truth.distance(*of)}

    async def _judge_api(self, api):
        since = self.audience.time() - truth.LAG
        counts = await api.counts()
        wrong = self._wrong(counts, since)
        if wrong:
            await asyncio.sleep(JUDGE_SECONDS)
            again = self._wrong(counts, since)
            for auction in wrong.keys() & again.keys() if api.up else ():
                what = f"{auction} at {api.name}"
                self.errors.add("apis", what, *again[auction], time.monotonic())

    async def watch(self, api):
        while True:
            if api.up:
                await self._judge_api(api)
            await asyncio.sleep(POLL_SECONDS)

    async def inexact(self):
        """Who does not say the truth of this moment, or None; for when nobody comes and goes."""
        exact = self.audience.now()
        for link in self.audience.links:
            low, high = exact[link.page.auction]
            if not link.shown == low == high:
                return f"{link.page.auction} at {link.gateway.name}: {link.shown}, not {high}"
        for api in [api for api in self.apis.values() if api.up]:
            listed = await api.counts()
            for auction, (low, high) in exact.items():
                said = (listed.get(auction), await api.viewers(auction))
                if said != (low, high):
                    return f"{auction} at {api.name}: {said[0]} and {said[1]}, not {high}"
        return None


class Commands:
    def __init__(self):
        self.audience = Audience()
        self.judge = Judge(self.audience)
        self.churning = None

    def gateway(self, name):
        return self.audience.gateways.all[name]

    async def add_gateway(self, name, address, port):
        self.audience.gateways.add(name, address, port)

    async def remove_gateway(self, name):
        self.audience.gateways.remove(name)

    async def add_api(self, name, address, port):
        self.judge.apis[name] = Api(name, address, port)
        self.judge.tasks.append(asyncio.ensure_future(self.judge.watch(self.judge.apis[name])))

    async def api_up(self, name, up):
        self.judge.apis[name].up = up

    async def fill(self, auctions, viewers):
        await self.audience.fill(auctions, viewers)

    async def churn(self, rate):
        """rate joins and leaves a second; at 0 ends with everyone there."""
        if self.churning:
            self.churning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.churning
        self.churning = rate and asyncio.ensure_future(self.audience.churn(rate))

    async def stopped(self, name):
        self.audience.reach(self.gateway(name), False)

    async def cut(self, name):
        await self.audience.gateways.stop_trying(self.gateway(name))
        self.audience.reach(self.gateway(name), False)

    async def back(self, name):
        self.audience.reach(self.gateway(name), True)

    async def mark(self):
        """Errors are counted from here."""
        self.judge.errors = truth.Errors()

    async def errors(self):
        return [self.judge.errors.largest, self.judge.errors.last]

    async def settle(self, deadline):
        """With the churn at 0: [when everything was exact, None], or [None, what is not]."""
        while inexact := await self.judge.inexact():
            if time.monotonic() > deadline:
                return [None, inexact]
            await asyncio.sleep(JUDGE_SECONDS)
        return [time.monotonic(), None]

    async def history(self):
        """[{auction: [[[wall ms, least, most], …] of each share]}, [[wall ms, wall ms] of each halt]]"""
        every = self.audience.shares.items()
        offset = wall_ms() - time.monotonic() * 1000
        halts = [[end * 1000 + offset for end in halt] for halt in self.audience.clock.halts]
        return [{name: [share.history for share in of.values()] for name, of in every}, halts]


async def main():
    commands = Commands()
    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        name, *arguments = json.loads(line)
        print(json.dumps(await getattr(commands, name)(*arguments)), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main())
