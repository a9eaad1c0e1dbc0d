"""Guessing the api's keys: an address that gave too many wrong ones is not listened to for a while."""

import pytest

from service import run_program
from waiting import wait_until

LIMIT = 6  # a minute: the next guess is free 10 s later, and no slow machine is given one before
PATH = "/api/v1/auctions/lot-1/analytics/viewers"


@pytest.fixture
def system(make_system):
    return make_system(
        gateways=0, samplers=0, api={"WRONG_KEYS_PER_MINUTE": LIMIT, "CONNECTIONS_PER_ADDRESS": 0}
    )


def ask(system, key, caller=None, header="x-admin-api-key"):
    headers = {header: key} if key else {}
    if caller:
        headers["X-Forwarded-For"] = caller
    return system.http("GET", PATH, headers=headers)


def guess(system, count, caller=None, header="x-admin-api-key"):
    return [ask(system, f"wrong-key-{number}", caller, header).status for number in range(count)]


def test_who_guesses_is_not_listened_to(system):
    guesser, honest = "198.51.100.7", "198.51.100.8"
    statuses = guess(system, LIMIT + 20, guesser)
    assert statuses[:LIMIT] == [401] * LIMIT
    assert statuses.count(429) >= 10
    answer = ask(system, system.admin_key, guesser)
    assert answer.status == 429 and answer.headers["retry-after"] == "60"
    assert answer.json()["error"]["code"] == "too_many_wrong_keys"
    assert ask(system, f"Bearer {system.admin_key}", guesser, "authorization").status == 429
    assert ask(system, system.admin_key, honest).status == 200
    assert system.http("GET", "/api/v1/auctions/lot-1/viewers").status == 200, "what is public"
    assert ask(system, None, guesser).status == 401, "no key is no guess"
    wait_until(lambda: ask(system, system.admin_key, guesser).status == 200, 20, "another chance")
    errors = 'headcount_api_errors_total{code="too_many_wrong_keys"}'
    assert system.api.metric(errors) >= 12
    assert guesser not in system.api.log() and "wrong-key" not in system.api.log()


def test_networks_of_ipv6_are_one(system):
    for number in range(LIMIT + 5):
        ask(system, "wrong-key", f"2001:db8::{number:x}:1")
    assert ask(system, system.admin_key, "2001:db8::ffff").status == 429
    assert ask(system, system.admin_key, "2001:db8:0:1::1").status == 200


def test_who_is_not_trusted_cannot_speak_for_others(make_system):
    settings = {"WRONG_KEYS_PER_MINUTE": LIMIT, "TRUSTED_PROXIES": "none"}
    system = make_system(gateways=0, samplers=0, api=settings)
    for number in range(LIMIT + 5):
        ask(system, "wrong-key", f"192.0.2.{number}")
    assert ask(system, system.admin_key, "192.0.2.200").status == 429


def test_the_internal_key_is_guarded_too(system):
    path = "/api/v1/auctions/lot-1/analytics/snapshot"
    statuses = [
        system.http("POST", path, {}, headers={"x-internal-api-key": f"guess-{n}"}).status
        for n in range(LIMIT + 5)
    ]
    assert set(statuses) == {401, 429}


def test_bad_settings_are_named():
    keys = {"INTERNAL_API_KEY": "a-key-of-tests", "ADMIN_API_KEY": "another-of-tests"}
    result = run_program("api", "--check", settings={**keys, "TRUSTED_PROXIES": "10.0.0.0/33"})
    assert result.returncode == 102 and "TRUSTED_PROXIES: " in result.stderr
