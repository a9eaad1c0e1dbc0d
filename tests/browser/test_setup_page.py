"""Setup: the switch says what the server says, also when saving fails."""

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import admin_url, wait_visible
from waiting import wait_until


def tracked(system, auction):
    path = f"/api/v1/auctions/{auction}/settings"
    return system.http("GET", path, key="admin").data()["enableViewerAnalytics"]


def open_setup(browser, system, auction="lot-1"):
    browser.open(admin_url(system, f"/auctions/{auction}/setup"))
    wait_visible(browser, "enable")


def test_on_and_off_again(browser, system):
    open_setup(browser, system)
    browser.find("enable").click()
    browser.wait_text("saved", "Saved. Tracking is on.")
    assert tracked(system, "lot-1") is True
    open_setup(browser, system)
    assert browser.find("enable").is_selected()
    browser.find("enable").click()
    browser.wait(lambda: browser.text("saved").startswith("Saved. Tracking is off"), "it saved")
    assert tracked(system, "lot-1") is False
    assert browser.complaints() == []


def test_what_could_not_be_saved_is_taken_back(browser, make_system):
    system = make_system(api={"STORE_TIMEOUT_MS": 3000})
    open_setup(browser, system)
    system.store.kill9()
    browser.find("enable").click()
    browser.wait(lambda: browser.text("saved").startswith("Not saved: "), "the failure")
    assert not browser.find("enable").is_selected() and "still off" in browser.text("saved")
    system.store.start().wait_ready()
    browser.find("enable").click()
    browser.wait_text("saved", "Saved. Tracking is on.")
    system.api.kill9()
    browser.find("enable").click()
    browser.wait(lambda: "cannot be reached" in browser.text("saved"), "the failure")
    assert browser.find("enable").is_selected() and "still on" in browser.text("saved")


def test_the_key_is_asked_for(browser, system):
    browser.open(system.url("/auctions/lot-1/setup"))
    wait_visible(browser, "key-form")
    assert not browser.visible("enable")
    browser.find("key").send_keys(Keys.ENTER)
    assert browser.text("key-problem") == "Enter the key first."
    browser.find("key").send_keys("wrong-key", Keys.ENTER)
    browser.wait(lambda: "not the admin key" in browser.text("key-problem"), "the refusal")
    browser.find("key").send_keys(system.admin_key, Keys.ENTER)
    wait_visible(browser, "enable")
    browser.find("forget").click()
    wait_visible(browser, "key-form")
    assert browser.script("return sessionStorage.length") == 0


def test_by_keyboard_alone(browser, system):
    open_setup(browser, system)

    def press(key):
        browser.driver.switch_to.active_element.send_keys(key)

    def tab_to(id):
        for _ in range(15):
            if browser.driver.switch_to.active_element.get_attribute("id") == id:
                return
            press(Keys.TAB)
        raise AssertionError(f"#{id} is not reached by Tab")

    press(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to content"
    tab_to("enable")
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.script(outline) == "solid"
    press(Keys.SPACE)
    browser.wait_text("saved", "Saved. Tracking is on.")
    assert browser.driver.switch_to.active_element == browser.find("enable")
    browser.driver.find_element(By.CSS_SELECTOR, "nav a[data-page='']").send_keys(Keys.ENTER)
    browser.wait(lambda: browser.driver.current_url.endswith("/auctions/lot-1"), "the dashboard")
    tab_to("toggle")
    assert browser.script(outline) == "solid"
    press(Keys.ENTER)
    wait_visible(browser, "nothing")
    press(Keys.SPACE)
    wait_until(lambda: not browser.visible("analytics"), 5, "the panel to close")


def test_a_screen_reader_hears_a_switch(browser, system):
    open_setup(browser, system)
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    switches = [node for node in nodes if node.get("role", {}).get("value") == "switch"]
    assert [node["name"]["value"] for node in switches] == ["Enable Viewer Analytics Tracking"]
    checked = [p["value"]["value"] for p in switches[0]["properties"] if p["name"] == "checked"]
    assert checked == ["false"]
    assert "90 days" in switches[0]["description"]["value"]
