"""What tests do with the pages: addresses, the dashboard's panel, what stands on it."""

import datetime
import sqlite3
import time

PAGES = ("/", "/auctions/lot-1/live", "/auctions/lot-1", "/auctions/lot-1/setup")


def admin_url(system, path):
    return system.url(f"{path}#key={system.admin_key}")


def number(text):
    return float(text.replace(",", ""))


def open_panel(browser, system, auction, key=True):
    """Opens the dashboard and its Viewer Analytics."""
    path = f"/auctions/{auction}"
    browser.open(admin_url(system, path) if key else system.url(path))
    browser.find("toggle").click()


def wait_visible(browser, id, timeout=15):
    browser.wait(lambda: browser.visible(id), f"#{id} to be shown", timeout)


def refresh_panel(browser):
    """Presses Refresh and waits until the answer is on the page."""
    asked = browser.requests("/analytics/")
    browser.find("refresh").click()
    browser.wait(lambda: browser.requests("/analytics/") > asked, "another request")
    browser.wait(
        lambda: browser.find("analytics").get_attribute("aria-busy") == "false", "its answer"
    )


def read_figures(browser):
    return {id: browser.text(id) for id in ("peak", "average", "minimum", "duration")}


def read_trend(browser):
    """The list of the latest snapshots, newest first: [{timestamp, value, max, count, detail}]."""
    return browser.script("""
        return [...document.querySelectorAll("#trend li")].map((item) => ({
          timestamp: item.querySelector("time").dateTime, value: item.querySelector("progress").value,
          max: item.querySelector("progress").max, count: item.querySelector(".count").textContent,
          detail: item.querySelector(".detail").textContent }));
    """)


def read_chart(browser):
    """{label: [[x, y or None], ...]} of what the chart draws; None is a hole."""
    return browser.script("""
        const sets = window.Chart.getChart("chart").data.datasets;
        return Object.fromEntries(sets.map((set) =>
          [set.label, set.data.map(({ x, y }) => [x, Number.isNaN(y) ? null : y])]));
    """)


def post_minute(system, auction, when_ms, viewers, samples=12, **figures):
    """One snapshot as a socket server of one's own posts it."""
    when = datetime.datetime.fromtimestamp(when_ms / 1000, datetime.timezone.utc)
    body = {
        "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "viewerCount": viewers,
        "avgViewers": viewers, "peakViewers": viewers, "minViewers": viewers,
        "sampleCount": samples, **figures,
    }  # fmt: skip
    path = f"/api/v1/auctions/{auction}/analytics/snapshot"
    assert system.http("POST", path, body, key="internal").data()["outcome"] == "saved"


def last_minute_ms():
    return int(time.time()) // 60 * 60_000


def insert_minutes(system, auction, rows):
    """(minutes ago, viewers) pairs straight into SQLite, for more than one would post."""
    now = last_minute_ms()
    exact = (None,) * 7
    with sqlite3.connect(system.database.path, timeout=30) as database:
        database.executemany(
            f"INSERT OR REPLACE INTO vieweranalytics VALUES({','.join('?' * 16)})",
            ((auction, now - ago * 60_000, *[n] * 4, 12, *exact, now, now) for ago, n in rows),
        )


def be_hidden(browser, hidden):
    """Has the page believe that its tab is in the background; when, by the page's clock."""
    return browser.script(
        "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
        "const now = performance.now();"
        "document.dispatchEvent(new Event('visibilitychange'));"
        "return now",
        hidden,
    )


def emulate_phone(browser):
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )


def emulate_scheme(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def before_every_page(browser, script):
    browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
