"""The live view: what is said, how often, and how it finds back."""

import time

from waiting import wait_until

SAY_EVERY_SECONDS = 10  # to screen readers


def state(browser):
    return browser.find("watching").get_attribute("data-state")


def test_the_count_stands_on_the_page_and_in_its_title(browser, system):
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "1 watching")
    assert browser.text("state-text") == "Live" and state(browser) == "live"
    system.join("lot-1", 4)
    browser.wait_text("watching", "5 watching")
    assert browser.driver.title == "5 watching · lot-1 · Headcount"
    assert browser.complaints() == []


def test_a_screen_reader_is_not_flooded(browser, system):
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait(lambda: browser.script("return announce.textContent") == "1 watching", "the first")
    began = time.monotonic()
    browser.script("""
        window.spoken = 0;
        new MutationObserver(() => window.spoken++).observe(announce, {childList: true});
    """)
    for viewers in range(2, 12):
        system.viewer("lot-1")
        browser.wait_text("watching", f"{viewers} watching")
    assert browser.script("return window.spoken") <= 1 + (time.monotonic() - began) // SAY_EVERY_SECONDS
    browser.wait(
        lambda: browser.script("return announce.textContent") == "11 watching", "the newest"
    )
    assert browser.script("return window.spoken") <= 1 + (time.monotonic() - began) // SAY_EVERY_SECONDS
    assert browser.script("return announce.getAttribute('aria-live')") == "polite"


def test_a_gateway_that_restarts_is_returned_to_soon(browser, make_system):
    system = make_system(gateway={"DRAIN_SECONDS": 1})
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "1 watching")
    browser.script("""
        window.delays = [];
        Math.random = () => 1;
        const wait = window.setTimeout;
        window.setTimeout = (work, ms) => { window.delays.push(ms); return wait(work, ms); };
    """)
    assert system.gateway.term() == 0
    browser.wait(lambda: state(browser) == "reconnecting", "the page to notice")
    assert browser.text("state-text") == "Reconnecting…"
    assert browser.text("watching") == "1 watching"  # the last that was known, dimmed
    first = browser.script("return window.delays[0]")
    assert first == 2000  # not the 500 after any other close
    system.gateway.start()
    browser.wait(lambda: state(browser) == "live", "the page to be live again", 40)
    browser.wait_text("watching", "1 watching")


def test_leaving_the_page_is_leaving_the_auction(browser, system):
    watcher = system.viewer("lot-1")
    browser.open(system.url("/auctions/lot-1/live"))
    watcher.wait_count(2)
    browser.open(system.url("/auctions/lot-1"))  # a dashboard is no viewer
    watcher.wait_count(1)
    browser.wait_text("live", "1")
    browser.driver.back()
    watcher.wait_count(2)
    browser.wait_text("watching", "2 watching")


def test_a_page_that_came_before_the_gateway(browser, make_system):
    system = make_system(start=False, gateway={"DRAIN_SECONDS": 0})
    for service in system.services:
        if service.kind != "gateway":
            service.start()
    for service in system.services:
        if service.kind != "gateway":
            wait_until(lambda: service.admin("/healthz"), 20, f"{service.name} to answer")
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait(lambda: state(browser) == "reconnecting", "the page to notice")
    system.gateway.start()
    browser.wait_text("watching", "1 watching", 40)
