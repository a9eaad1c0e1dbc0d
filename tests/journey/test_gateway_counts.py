"""What a gateway shows its viewers, with samplers, without, and when they fail."""

import asyncio
import time

import msgpack

import headcount_wire as wire
from gateway_house import house  # noqa: F401 (a fixture)
from waiting import wait_until

NEWS_SECONDS = 0.5  # that a first viewer waits for a sampler's count at most


def test_own_count_without_a_sampler(house):
    house.start()
    first = house.viewer("lot-1")
    first.wait_count(1)
    second = house.viewer("lot-1")
    first.wait_count(2)
    second.wait_count(2)
    house.viewers.close([second])
    first.wait_count(1)
    assert first.counts == [1, 2, 1]
    other = house.viewer("lot-2")
    other.wait_count(1)
    assert other.frames == [{"event": "viewerCountUpdate", "auction": "lot-2", "count": 1}]


def test_first_change_is_told_at_once(house):
    house.start(BROADCAST_INTERVAL_MS=4000)
    first = house.viewer("lot-1")
    first.wait_count(1)
    asked = time.monotonic()
    second = house.viewer("lot-1")
    first.wait_count(2, timeout=3)  # less than the interval
    house.viewers.close([second])
    first.wait_count(1)
    assert first.counts == [1, 2, 1]
    assert time.monotonic() - asked > 3.9  # the interval's


def test_sampler_says_how_many_are_elsewhere(house):
    sampler, viewer = house.start_watching()
    topic = wire.topic_auction("count", "lot-1")
    sampler.count("lot-1", 475)
    house.wait_count(viewer, 475)
    second = house.viewer("lot-1")  # counted in at once, before the sampler says so
    house.wait_count(viewer, 476)
    taken = house.gateway.metric("headcount_gateway_counts_total")
    sampler.count("lot-1", 476)
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_counts_total") > taken, "the count to arrive"
    )
    house.viewers.close([second])
    house.wait_count(viewer, 475)
    sampler.count("lot-1", 0)  # never less than our own
    house.wait_count(viewer, 1)
    sampler.count("lot-2", 99)  # not ours: not even sent here
    counts = house.gateway.metric("headcount_gateway_counts_total")
    house.viewers.close([viewer])
    house.peers.until(lambda: topic not in sampler.watched, "the subscription to end")
    assert house.gateway.metric("headcount_gateway_counts_total") == counts


def test_first_viewer_is_told_the_whole_at_once(house):
    """Not its own gateway's share first: 1, then 475 would be seen at each restart of a gateway."""
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_sampler_followed"), "it to be followed"
    )
    assert told_in_time(house, sampler, 475) == [475]
    assert told_in_time(house, sampler, 1) == [1]  # the sampler knows of nobody else
    sampler.close()
    unheard = house.viewer("lot-unheard")  # nobody answers for it: told our own after a while
    house.wait_count(unheard, 1)


def told_in_time(house, sampler, count):
    """What the first viewer of an auction was told until this count, in a shorter time than the
    gateway waits for a sampler; on a busy machine it may take some auctions until one is."""
    for number in range(100):
        auction = f"lot-{count}-{number}"
        sampler.counts[auction] = count
        joined = time.monotonic()
        viewer = house.viewer(auction)
        house.wait_count(viewer, count)
        if time.monotonic() - joined < NEWS_SECONDS - 0.1:
            return viewer.counts
    raise AssertionError(f"{count} took {NEWS_SECONDS} s each time")


def test_silent_sampler_is_left_for_another(house):
    first, second = house.peers.sampler("sampler0"), house.peers.sampler("sampler1")
    house.start(samplers=2)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in first.watched & second.watched, "subscriptions")
    house.peers.until(
        lambda: house.gateway.log_lines("counts.follow"), "the gateway to follow one"
    )
    name = house.gateway.log_lines("counts.follow")[0].fields["sampler"]
    followed, other = (first, second) if name == "sampler0" else (second, first)
    followed.count("lot-1", 10)
    other.count("lot-1", 20)
    house.wait_count(viewer, 10)
    house.peers.during(0.3)
    assert viewer.count == 10  # sticky
    followed.silent = True
    house.wait_count(viewer, 20)
    assert 1 not in viewer.counts[viewer.counts.index(10) :]  # no flicker to our own
    followed.silent = False
    followed.count("lot-1", 30)
    house.peers.during(0.5)
    assert viewer.count == 20  # sticky again
    other.silent = True
    house.wait_count(viewer, 30)


def test_two_samplers_of_one_name_are_told(house):
    first, second = house.peers.sampler("sampler0"), house.peers.sampler("sampler1")
    first.node = second.node  # by mistake; the second has started later
    first.epoch = second.epoch - 1
    house.start(samplers=2)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in first.watched & second.watched, "subscriptions")
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "one to be followed")
    house.peers.until(lambda: house.gateway.log_lines("counts.ignored", "warn"), "a warning")
    assert house.gateway.log_lines("counts.ignored")[0].fields["sampler"] == second.node
    assert house.gateway.metric('headcount_gateway_bus_dropped_total{reason="epoch"}') > 0
    first.count("lot-1", 10)
    second.count("lot-1", 20)
    house.wait_count(viewer, 20)
    assert 10 not in viewer.counts


def test_shards_without_a_sampler_are_told(house):
    sampler = house.peers.sampler("sampler0")
    sampler.shards = [wire.shard("lot-1")]
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    house.peers.until(lambda: house.gateway.log_lines("counts.part", "warn"), "a warning")
    fields = house.gateway.log_lines("counts.part")[0].fields
    assert (fields["sampler"], fields["shards"]) == ("sampler0", "1")
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    sampler.shards = None
    sampler.start()
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "all to be followed")


def test_dead_sampler_leaves_our_own_count(house):
    sampler, viewer = house.start_watching()
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    sampler.close()
    house.wait_count(viewer, 1)
    sampler.start()
    house.wait_watched(sampler)
    sampler.count("lot-1", 8)
    house.wait_count(viewer, 8)


def test_flapping_sampler_does_not_flood_the_log(house):
    house.start(samplers=1)
    sampler = house.peers.sampler("sampler0")
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "it to be followed")
    started = time.monotonic()
    heard = house.gateway.metric("headcount_gateway_followings_total")
    for number in range(1000):
        sampler.state = ("warming", "ready")[number % 2]
        sampler.heartbeat()
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_followings_total") >= heard + 500,
        "it to be followed again and again",
    )
    ticks = 10 * (time.monotonic() - started) + 2
    assert len(house.gateway.log_lines("counts.follow")) <= ticks


def test_restarting_sampler_does_not_flicker(house):
    sampler, viewer = house.start_watching()
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "it to be followed")
    sampler.bye()
    sampler.start(state="warming")
    house.wait_watched(sampler)
    sampler.count("lot-1", 2)  # what it knows so far
    house.peers.during(0.3)
    assert viewer.counts[-1] == 7 and 2 not in viewer.counts
    sampler.counts["lot-1"] = 7
    sampler.state = "ready"
    house.peers.until(
        lambda: len(house.gateway.log_lines("counts.follow")) == 2, "it to be followed"
    )
    sampler.count("lot-1", 9)
    house.wait_count(viewer, 9)
    assert viewer.counts[viewer.counts.index(7) :] == [7, 9]


def test_junk_on_the_bus_is_dropped_and_counted(house):
    sampler, viewer = house.start_watching()
    topic = wire.topic_auction("count", "lot-1")
    good = [1, "sampler0", sampler.epoch, 1, 1, 1, 5]
    pack = msgpack.packb
    junk = {
        "topic": [[b"heartbeat/sampler/a b/", pack([1])], [topic + b"x", pack(good)]],
        "version": [[topic, pack([2, *good[1:]])]],
        "format": [[topic, b"\xc1"], [topic, pack(good) + b"x"], [topic, pack(good[:5])]],
        "type": [[topic, pack([1, "sampler0", sampler.epoch, "1", 1, 1, 5])]],
        "range": [[topic, pack([*good[:6], 2**60])], [topic, pack([*good[:5], 9, 5])]],
        "frames": [[topic], [topic, pack(good), b"more"]],
    }
    dropped = "headcount_gateway_bus_dropped_total"
    for messages in junk.values():
        for frames in messages:
            sampler.socket.send_multipart(frames)
    house.peers.until(
        lambda: house.gateway.metric(dropped) == sum(map(len, junk.values())), "the junk"
    )
    for reason, messages in junk.items():
        assert house.gateway.metric(f'{dropped}{{reason="{reason}"}}') == len(messages), reason
    sampler.count("lot-1", 5)
    house.wait_count(viewer, 5)
    assert len(house.gateway.log_lines("counts.dropped")) == 1  # rate-limited


def test_two_thousand_at_once_settle_exactly(house):
    house.start()
    watcher = house.viewer("lot-1")

    async def crowd():
        gate = asyncio.Semaphore(200)

        async def one():
            async with gate:
                return await house.viewers._open(house.url, "lot-1", {"ping_interval": None})

        return await asyncio.gather(*(one() for _ in range(2000)))

    began = time.monotonic()
    joined = house.viewers.run(crowd(), timeout=200)
    watcher.wait_count(2001)
    wait_until(lambda: all(viewer.count == 2001 for viewer in joined), what="all to know")
    assert len(watcher.counts) <= (time.monotonic() - began) / 0.05 + 10  # conflated
    house.viewers.abort(joined[:1999])
    watcher.wait_count(2)
    joined[1999].wait_count(2)
