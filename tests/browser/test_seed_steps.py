"""The four steps that the system was first described with, in a real browser against the real
system, and what its pages promise beside them."""

import sqlite3
import time

import pytest
from selenium.webdriver.common.keys import Keys

from waiting import wait_until

both_databases = pytest.mark.parametrize("database", ["sqlite", "mongodb"], indirect=True)


def admin(system, path):
    return system.url(f"{path}#key={system.admin_key}")


def turn_on(browser, system, auction):
    browser.open(admin(system, f"/auctions/{auction}/setup"))
    browser.wait(lambda: browser.visible("enable"), "the switch")
    assert not browser.find("enable").is_selected()
    browser.find("enable").click()
    browser.wait(lambda: "tracking is on" in browser.text("saved").lower(), "it to be saved")


def open_panel(browser, system, auction):
    browser.open(admin(system, f"/auctions/{auction}"))
    browser.find("toggle").click()


def all_minutes(system, auction, viewers):
    """Its snapshots when as many have left as came, else None."""
    stored = system.snapshots(auction)
    return stored if sum(one["leaves"] for one in stored) == viewers else None


def number(text):
    return float(text.replace(",", ""))


@both_databases
def test_the_four_steps(browser, system):
    turn_on(browser, system, "lot-1")
    first = browser.open(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "1 watching")
    second = browser.open_tab(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "2 watching")
    browser.go_to(first)
    browser.wait_text("watching", "2 watching")
    taken = system.sampler.metric("headcount_sampler_samples_total")
    wait_until(
        lambda: system.sampler.metric("headcount_sampler_samples_total") >= taken + 2,
        10,
        "a sample of both",
    )
    browser.go_to(second)
    browser.driver.close()
    browser.go_to(first)
    browser.wait_text("watching", "1 watching")
    wait_until(lambda: len(system.snapshots("lot-1")) >= 3, 20, "three snapshots")
    assert wait_until(lambda: system.sampler.log_lines("sampler.sent"), 20, "the sampler's line")
    dashboard = browser.open_tab(admin(system, "/auctions/lot-1"))
    browser.go_to(first)
    browser.driver.close()
    browser.go_to(dashboard)
    stored = wait_until(lambda: all_minutes(system, "lot-1", 2), 20, "the minute in which all left")
    browser.find("toggle").click()
    browser.wait(lambda: browser.visible("figures"), "the figures")
    rows = browser.script("return document.querySelectorAll('#trend li').length")
    assert rows == min(len(stored), 20)
    assert number(browser.text("peak")) == max(one["peakViewers"] for one in stored) == 2
    assert number(browser.text("minimum")) == min(one["minViewers"] for one in stored)
    assert browser.text("average") and browser.text("duration")
    bars = browser.script("return [...document.querySelectorAll('#trend progress')].map(b => b.value)")
    assert len(bars) == rows and max(bars) >= 1
    assert browser.complaints() == []


def test_nothing_is_fetched_before_the_panel_is_opened(browser, system):
    system.set_tracking("lot-1")
    viewer = system.viewer("lot-1")
    wait_until(lambda: system.snapshots("lot-1"), 20, "a snapshot")
    browser.open(admin(system, "/auctions/lot-1"))
    browser.wait_text("live", "1")
    assert browser.requests("/analytics/") == 0
    browser.find("toggle").click()
    browser.wait(lambda: browser.visible("figures"), "the figures")
    assert browser.requests("/analytics/") == 1
    browser.find("toggle").click()
    browser.find("toggle").click()
    assert browser.requests("/analytics/") == 1
    known = len(system.snapshots("lot-1"))
    wait_until(lambda: len(system.snapshots("lot-1")) > known, 20, "another snapshot")
    browser.find("refresh").click()
    browser.wait(
        lambda: browser.script("return document.querySelectorAll('#trend li').length")
        > min(known, 19),
        "the new one in the list",
    )
    assert browser.requests("/analytics/") == 2
    system.leave(viewer)


def test_tracking_off_and_nothing_yet_are_said(browser, system):
    open_panel(browser, system, "lot-1")
    browser.wait(lambda: browser.visible("off"), "the empty state of tracking")
    system.set_tracking("lot-1")
    browser.find("refresh").click()
    browser.wait(lambda: browser.visible("nothing"), "the empty state of figures")
    assert not browser.visible("off") and not browser.visible("figures")


def test_the_key_is_asked_for_and_stays_out_of_the_address(browser, system):
    system.set_tracking("lot-1")
    browser.open(system.url("/auctions/lot-1"))
    browser.find("toggle").click()
    browser.wait(lambda: browser.visible("key"), "the key to be asked for")
    browser.find("key").send_keys("not-the-key", Keys.ENTER)
    browser.wait(lambda: browser.visible("key") and not browser.find("key").get_attribute("value"),
                 "the key to be asked for again")  # fmt: skip
    browser.find("key").send_keys(system.admin_key, Keys.ENTER)
    browser.wait(lambda: browser.visible("nothing"), "the key to be taken")
    browser.open(admin(system, "/auctions/lot-1/setup"))
    browser.wait(lambda: browser.visible("enable"), "the switch")
    assert system.admin_key not in browser.driver.current_url


def test_switch_and_panel_work_by_keyboard(browser, system):
    browser.open(admin(system, "/auctions/lot-1/setup"))
    browser.wait(lambda: browser.visible("enable"), "the switch")
    browser.script("document.getElementById('enable').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.SPACE)
    browser.wait(lambda: "tracking is on" in browser.text("saved").lower(), "it to be saved")
    browser.open(admin(system, "/auctions/lot-1"))
    browser.find("toggle").send_keys(Keys.ENTER)
    browser.wait(lambda: browser.find("toggle").get_attribute("aria-expanded") == "true", "the panel")


def test_the_live_view_comes_back_after_the_gateway(browser, system):
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "1 watching")
    system.gateway.kill9()
    browser.wait(
        lambda: browser.find("watching").get_attribute("data-state") == "reconnecting",
        "the page to notice",
    )
    system.gateway.start()
    browser.wait(
        lambda: browser.find("watching").get_attribute("data-state") == "live",
        "the page to connect again",
        40,
    )
    browser.wait_text("watching", "1 watching")


def test_no_page_breaks_its_policy(browser, system):
    viewer = system.viewer("lot-1")
    for path in ("/", "/auctions/lot-1/live", "/auctions/lot-1", "/auctions/lot-1/setup"):
        browser.open(admin(system, path))
        browser.wait(
            lambda: browser.script("return document.readyState") == "complete", f"{path} to load"
        )
    browser.open(system.url("/"))
    browser.wait(lambda: "lot-1" in browser.text("rows"), "the list")
    assert "1" in browser.text("rows")
    assert browser.complaints() == []
    system.leave(viewer)


@pytest.mark.limit(240)
def test_ninety_days_of_minutes_stay_usable(browser, system):
    system.set_tracking("big")
    now = int(time.time()) // 60 * 60_000
    exact = (None,) * 7
    with sqlite3.connect(system.database.path, timeout=30) as database:
        database.executemany(
            f"INSERT INTO vieweranalytics VALUES({','.join('?' * 16)})",
            (
                ("big", now - i * 60_000, i % 900, i % 900, i % 900, i % 900, 12, *exact, now, now)
                for i in range(1, 129_601)
            ),
        )
    open_panel(browser, system, "big")
    browser.wait(lambda: browser.visible("figures"), "the figures", 90)
    assert number(browser.text("peak")) == 899
    assert browser.script("return document.querySelectorAll('#trend li').length") == 20
    assert browser.script("return performance.memory.usedJSHeapSize") < 400 * 1024 * 1024
    browser.find("toggle").click()  # the page still answers
    assert not browser.visible("analytics")
