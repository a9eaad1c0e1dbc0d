"""What holds for each page: the key stays out of addresses, phones, calm layout, contrast, names."""

import pytest

from databases import Database
from harness import System
from pages import (
    PAGES, admin_url, before_every_page, emulate_phone, emulate_scheme, insert_minutes, wait_visible,
)  # fmt: skip

LONG = "Q" * 64
WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
const fetchAtOnce = window.fetch;  // so that the page is drawn before it is filled
window.fetch = async (...request) => {
  await new Promise((done) => setTimeout(done, 300));
  return fetchAtOnce(...request);
};
"""
CONTRAST = """
const probe = document.createElement("i");
document.body.append(probe);
const parts = (name) => {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
};
const light = (name) => parts(name)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
return arguments[0].map(([ink, ground]) => {
  const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
  return [`${ink} on ${ground}`, (high + 0.05) / (low + 0.05)];
});
"""
INKS = [(ink, ground) for ink in ("--text", "--soft", "--accent") for ground in ("--page", "--card")]
INKS += [(ink, "--card") for ink in ("--good", "--warn", "--bad")]
INKS += [("--accent-text", "--accent"), ("--text", "--notice"), ("--accent", "--notice")]


@pytest.fixture(scope="module")
def system():
    """One for all tests here: each only looks."""
    system = System(Database("sqlite"), gateway={"DRAIN_SECONDS": 0})
    try:
        yield system.start()
    finally:
        system.stop()


def wait_loaded(browser):
    browser.wait(lambda: browser.script("return document.readyState") == "complete", "the page")


@pytest.mark.parametrize("path", [*PAGES, "/auctions/not%20an%20id", "/nowhere"])
def test_the_key_leaves_the_address_at_once(browser, system, path):
    browser.open(system.url("/"))
    browser.open(admin_url(system, path))
    browser.wait(lambda: "key=" not in browser.driver.current_url, "the key to go")
    assert browser.script("return sessionStorage.getItem('headcount-admin-key')") == system.admin_key
    assert browser.requests(system.admin_key) == 0
    wait_visible(browser, "forget")


def test_the_key_is_kept_for_the_tab_and_no_other(browser, system):
    browser.open(admin_url(system, "/"))
    browser.open(system.url("/auctions/lot-1/setup"))
    wait_visible(browser, "enable")
    browser.open_tab(system.url("/auctions/lot-1/setup"))
    wait_visible(browser, "key-form")


def test_a_key_that_no_header_can_carry_is_not_taken(browser, system):
    browser.open(system.url("/auctions/lot-1/setup#key=%C3%A4%0A"))
    wait_visible(browser, "key-form")
    assert "key=" not in browser.driver.current_url
    assert browser.complaints() == []


@pytest.mark.parametrize("path", ["/", *(f"/auctions/{LONG}{page}" for page in ("/live", "", "/setup"))])
def test_a_phone_shows_all_of_its_width(browser, system, path):
    emulate_phone(browser)
    system.set_tracking(LONG)
    insert_minutes(system, LONG, ((ago, 123_456) for ago in range(1, 30)))
    browser.open(admin_url(system, path))
    wait_loaded(browser)
    if path.endswith(LONG):
        browser.find("toggle").click()
        wait_visible(browser, "figures")
    browser.wait(lambda: browser.script("return document.body.innerText.includes('QQQ')"), "the id")
    assert browser.script("return document.documentElement.scrollWidth") == 360
    small = browser.script("""
        return [...document.querySelectorAll("button, input, select")]
          .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 28).map((one) => one.id);
    """)
    assert small == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_jumps_while_a_page_fills(browser, system, path):
    system.set_tracking("lot-1")
    viewer = system.viewer("lot-1")
    before_every_page(browser, WATCH_SHIFTS)
    browser.open(admin_url(system, path))
    wait_loaded(browser)
    browser.wait(lambda: browser.requests("/api/v1/") > 0, "its figures")
    frames = "setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(arguments[0])), 300)"
    browser.driver.execute_async_script(frames)
    assert browser.script("return window.shift") < 0.01
    system.leave(viewer)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_can_be_read(browser, system, scheme):
    emulate_scheme(browser, scheme)
    browser.open(system.url("/"))
    wait_loaded(browser)
    weak = [(pair, ratio) for pair, ratio in browser.script(CONTRAST, INKS) if ratio < 4.5]
    assert weak == []


@pytest.mark.parametrize("path", PAGES)
def test_everything_to_press_has_a_name(browser, system, path):
    auction = f"lot-new-{PAGES.index(path)}"  # its own: the live page of another is a viewer of it
    system.set_tracking(auction)
    browser.open(admin_url(system, path.replace("lot-1", auction)))
    wait_loaded(browser)
    if path == "/auctions/lot-1":
        browser.find("toggle").click()
        wait_visible(browser, "nothing")
    roles = ("button", "link", "textbox", "combobox", "switch", "checkbox")
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert len(nodes) >= 4
    assert [node for node in nodes if not node.get("name", {}).get("value")] == []
    assert len(browser.script("return [...document.querySelectorAll('h1')].map(h => h.innerText)")) == 1


def test_an_address_that_is_no_page_says_so(browser, system):
    browser.open(system.url("/auctions/not%20an%20id/live"))
    assert "There is no such page" in browser.find("main").text
    assert browser.script("return document.styleSheets.length") == 1


def test_nothing_moves_for_those_who_want_no_motion(browser, system):
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.open(system.url("/auctions/lot-1/live"))
    browser.wait_text("watching", "1 watching")
    assert browser.script("return document.getAnimations().length") == 0
