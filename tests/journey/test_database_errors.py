"""A MongoDB that answers errors, of every kind, and the store before it: nothing acknowledged is lost, what passes
sets nothing aside, and what never will be taken does not block the rest."""

import contextlib
import time

import pytest

from mongo_proxy import Change, Close, MongoProxy, concern_failed, error, writes_refused
from test_spool import minutes, set_aside, spool, stored_times, wait_drained
from test_store import batch, count_rows, counts, expect, make_row, now_minute_ms, setting
from waiting import wait_until

TEMPO = {
    "DATABASE_TIMEOUT_MS": 3000,
    "DATABASE_RETRY_MS": 20,
    "DATABASE_RETRY_MAX_MS": 100,
    "SPOOL_DRAIN_ROWS": 100000,
}


@pytest.fixture
def proxy(mongo_server):
    proxy = MongoProxy(mongo_server)
    yield proxy
    proxy.rule = lambda command: None
    proxy.stop()


@pytest.fixture
def make_errant(make_system, proxy, database):
    """make() gives one store that reaches the database through the proxy; analytics of lot-1 and lot-bad are on."""

    def make(**more):
        system = make_system(
            gateways=0, samplers=0, apis=0, settings={**TEMPO, **more},
            store={"MONGODB_URI": proxy.uri, "MONGODB_DATABASE": database.name},
        )  # fmt: skip
        for auction, enabled in (("lot-1", True), ("lot-bad", True), ("lot-off", False)):
            switch = setting(auction, enabled)
            wait_until(lambda s=switch: system.store_request(s)["code"] == "ok", what="a switch")
        return system

    return make


@pytest.fixture
def system(make_errant):
    return make_errant()


mongodb_only = pytest.mark.parametrize("database", ["mongodb"], indirect=True)


def is_write(command):
    return command.get("update") == "vieweranalytics"


def wants(update, auction):
    return update["q"]["auction"] == auction


@contextlib.contextmanager
def trouble(proxy, action, chosen=is_write):
    """While it lasts, commands that are chosen meet the action; made by a function of the command, or it."""
    make = action if callable(action) else lambda command: action
    proxy.rule = lambda command: make(command) if chosen(command) else None
    try:
        yield
    finally:
        proxy.rule = lambda command: None


def wait_attempts(proxy, what):
    """Until some more attempts were made to reach the database, each of one or two such commands."""
    before = proxy.count("createIndexes")
    wait_until(lambda: proxy.count("createIndexes") >= before + 8, 20, f"attempts while {what}")


def everything(command):
    return not command.keys() & {"hello", "isMaster", "ismaster"}


PASSING = {
    "another server is the primary": (error(10107, "NotWritablePrimary"), is_write),
    "it stops": (error(11600, "InterruptedAtShutdown"), everything),
    "the user may not": (error(13, "Unauthorized"), everything),
    "it takes no such options": (error(2, "BadValue"), is_write),
    "an error nobody knows": (error(99999, "Unheard"), is_write),
    "flags cannot be read": (error(2, "BadValue"), lambda command: "find" in command),
    "too few copies": (concern_failed(), is_write),
    "some rows took too long": (
        lambda command: writes_refused(command, lambda update: "upsert" in update, 50),
        is_write,
    ),
    "it hangs up": (Close("before"), is_write),
    "half a reply": (Close("midst"), is_write),
    "no reply to what was done": (Close("after"), is_write),
}


@mongodb_only
def test_what_passes_loses_nothing_and_sets_nothing_aside(system, proxy):
    stored = []
    for number, (name, (action, chosen)) in enumerate(PASSING.items()):
        rows = minutes(6, first=10 * number)
        ignored = make_row("lot-off", rows[0]["timestamp"])
        with trouble(proxy, error(11600, "InterruptedAtShutdown"), everything):
            spool(system, *rows[:2])
            spool(system, ignored)  # will go through, and prove nothing of the others
            spool(system, *rows[2:4])
        with trouble(proxy, action, chosen):
            spool(system, *rows[4:])
            attempts = system.store.metric("headcount_store_spool_drained_total")
            wait_attempts(proxy, name)
            assert set_aside(system) == [], name
            assert system.store.ready(), name
        wait_drained(system)
        stored += [row["timestamp"] for row in rows]
        assert stored_times(system) == stored, name
        assert system.store.metric("headcount_store_spool_drained_total") <= attempts + 7
    assert set_aside(system) == []
    assert count_rows(system) == len(stored)


@mongodb_only
def test_a_slow_server_and_a_cut_link(make_errant, proxy):
    system = make_errant(DATABASE_TIMEOUT_MS=500)
    rows = minutes(4)
    proxy.cut()
    spool(system, *rows[:2])  # slower than DATABASE_TIMEOUT_MS
    spool(system, *rows[2:])
    assert system.store.metric("headcount_store_database_up") == 0
    proxy.mend()
    wait_drained(system)
    assert stored_times(system) == [row["timestamp"] for row in rows]


@mongodb_only
def test_a_flag_is_as_old_as_its_question(make_errant, proxy, database):
    """The answer may be long on its way, and the flag changed since."""
    system = make_errant(FLAG_CACHE_MS=2000)
    changed = []

    def answer_late(reply):
        with database.open() as opened:
            opened.auctions.update_one({"_id": "lot-2"}, {"$set": {"enableViewerAnalytics": False}})
        changed.append(time.monotonic())
        time.sleep(1.5)

    with database.open() as opened:
        opened.auctions.insert_one({"_id": "lot-2", "enableViewerAnalytics": True})
    first, second = (make_row("lot-2", row["timestamp"]) for row in minutes(2))
    with trouble(proxy, Change(reply=answer_late), lambda command: command.get("find") == "auctions"):
        assert counts(system.store_request(batch(first))) == expect(saved=1)
    wait_until(lambda: time.monotonic() > changed[0] + 2.01, what="FLAG_CACHE_MS to be over")
    assert counts(system.store_request(batch(second))) == expect(ignored=1)


@mongodb_only
def test_what_a_server_refuses_for_good_does_not_block_the_rest(system, proxy):
    refused = lambda command: writes_refused(  # noqa: E731
        command, lambda update: wants(update, "lot-bad"), 121, "Document failed validation"
    )
    first, *later = minutes(40)
    bad = make_row("lot-bad", first["timestamp"])
    with trouble(proxy, refused):
        before = proxy.count("update")
        ack = system.store_request(batch(bad, first, *later))
        assert ack["code"] == "ok" and ack["saved"] + ack["kept"] == 40 and ack["refused"] == 1
        assert [row for row, _ in ack["refusals"]] == [0]
        assert proxy.count("update") - before < 15, "not one by one"
        assert len(stored_times(system)) == 40
        ((subject, reason),) = set_aside(system)
        assert subject.startswith("lot-bad ") and "validation" in reason
        assert system.store.metric("headcount_store_database_up") == 1


@mongodb_only
def test_a_row_that_fails_for_no_known_reason_is_found_out(system, proxy):
    unknown = lambda command: writes_refused(  # noqa: E731
        command, lambda update: wants(update, "lot-bad"), 55555
    )
    first, second, third = minutes(3)
    with trouble(proxy, unknown):
        spool(system, first, make_row("lot-bad", first["timestamp"]))
        with trouble(proxy, error(10107, "NotWritablePrimary")):
            system.store_request(batch(make_row("lot-off", second["timestamp"])))
            wait_until(lambda: system.store_request(batch(second))["spooled"], what="a younger one")
            wait_attempts(proxy, "there is no primary")
            assert set_aside(system) == []  # what fails now is not the row
        proxy.rule = lambda command: unknown(command) if is_write(command) else None
        wait_drained(system)
        ((subject, reason),) = set_aside(system)
        assert subject.startswith("lot-bad ") and "55555" in reason
        wait_until(lambda: system.store_request(batch(third))["saved"], what="the database to be up")
    assert len(stored_times(system)) == 3


def race_lost(command):
    """The first row's insert loses a race that nobody ran: a duplicate, as of another writer."""
    first = command["updates"][0]
    return writes_refused(command, lambda update: update is first, 11000, "E11000 duplicate key")


@mongodb_only
def test_a_lost_race_does_not_hide_a_failed_concern(system, proxy):
    rows = minutes(2)
    met = []

    def both(command):
        if met:
            return None
        met.append(command)
        change = race_lost(command)
        put_in = change.reply

        def edit(reply):
            put_in(reply)
            concern_failed().reply(reply)

        return Change(change.command, edit)

    with trouble(proxy, both):
        ack = system.store_request(batch(*rows))
        assert met and (ack["spooled"], ack["saved"]) == (2, 0)
    wait_drained(system)
    assert stored_times(system) == [row["timestamp"] for row in rows]


@mongodb_only
@pytest.mark.parametrize("end", [Close("before"), error(10107, "NotWritablePrimary")])
def test_a_lost_race_does_not_hide_that_the_rest_was_not_sent(system, proxy, end):
    """A bulk that the driver splits, as one of more than 100,000 updates."""
    rows = minutes(8)
    parts = []

    def split(command):
        if "hello" in command or "isMaster" in command or "ismaster" in command:
            return Change(reply=lambda reply: reply.update(maxWriteBatchSize=4))
        if not is_write(command):
            return None
        parts.append(len(command["updates"]))
        return race_lost(command) if len(parts) == 1 else end if len(parts) == 2 else None

    with trouble(proxy, split, lambda command: True):
        system.store.term()
        system.store.start().wait_ready()
        wait_until(lambda: system.store.metric("headcount_store_database_up"), what="the database")
        ack = system.store_request(batch(*rows))
        assert parts[:2] == [4, 4], "the driver did not split it"
        assert ack["saved"] + ack["spooled"] == 8
    wait_drained(system)
    assert stored_times(system) == [row["timestamp"] for row in rows]
    assert counts(system.store_request(batch(make_row(timestamp=now_minute_ms())))) == expect(saved=1)
