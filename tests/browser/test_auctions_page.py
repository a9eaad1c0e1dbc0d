"""The list of auctions: counts that move, badges, the form, paging, silence while hidden."""

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import be_hidden


def cells(browser, auction):
    script = "return [...(document.querySelector(`[data-auction='${arguments[0]}']`)?.children ?? [])].map(c => c.innerText)"
    return browser.script(script, auction)


def listed(browser):
    return browser.script("return [...document.querySelectorAll('#rows tr')].map(r => r.dataset.auction)")


def test_nothing_yet_then_a_list_that_moves(browser, system):
    browser.open(system.url("/"))
    browser.wait(lambda: browser.visible("empty"), "the empty state")
    assert browser.text("summary") == "Nobody is watching right now"
    viewers = system.join("lot-1", 2)
    system.set_tracking("lot-2")
    browser.wait(lambda: listed(browser) == ["lot-1", "lot-2"], "both auctions")
    assert not browser.visible("empty")
    browser.wait(lambda: cells(browser, "lot-1")[1] == "2", "the count")
    assert cells(browser, "lot-1")[2] == "Off" and cells(browser, "lot-2")[1:3] == ["0", "On"]
    assert browser.text("summary") == "2 watching 2 auctions"
    link = browser.driver.find_element(By.CSS_SELECTOR, "[data-auction='lot-2'] th a")
    browser.script("arguments[0].focus()", link)
    system.leave(viewers[0])
    browser.wait(lambda: cells(browser, "lot-1")[1] == "1", "one to leave")
    assert browser.driver.switch_to.active_element == link  # a refresh takes no focus away
    hrefs = browser.script("return [...document.querySelectorAll('[data-auction=\"lot-1\"] .links a')].map(a => a.pathname)")
    assert hrefs == ["/auctions/lot-1/live", "/auctions/lot-1", "/auctions/lot-1/setup"]
    assert browser.complaints() == []


def test_a_hidden_page_asks_for_nothing(browser, system):
    browser.open(system.url("/"))
    browser.wait(lambda: browser.requests("/api/v1/auctions") >= 2, "a second request")
    be_hidden(browser, True)
    asked = browser.requests("/api/v1/auctions")
    browser.driver.set_script_timeout(20)
    browser.driver.execute_async_script("setTimeout(arguments[0], 7000)")  # twice its interval
    assert browser.requests("/api/v1/auctions") <= asked + 1  # one may have been under way
    asked = browser.requests("/api/v1/auctions")
    shown = be_hidden(browser, False)
    browser.wait(lambda: browser.requests("/api/v1/auctions") > asked, "a request")
    begun = "return performance.getEntriesByType('resource').map((entry) => entry.startTime)"
    assert min(at for at in browser.script(begun) if at >= shown) < shown + 2000, "not at once"


def test_the_form_opens_any_valid_id(browser, system):
    browser.open(system.url("/"))
    field = browser.find("auction")
    for wrong in ("", "a b", "../x", "lot/1", "<script>", "ä"):
        field.clear()
        field.send_keys(wrong, Keys.ENTER)
        assert "1 to 64 letters" in browser.text("open-error"), wrong
        assert field.get_attribute("aria-invalid") == "true"
        assert browser.driver.switch_to.active_element == field
    field.clear()
    field.send_keys("  Lot_7-b ", Keys.ENTER)
    browser.wait_text("watching", "1 watching")
    assert browser.driver.current_url == system.url("/auctions/Lot_7-b/live")
    browser.open(system.url("/"))
    browser.find("auction").send_keys("Lot_7-b")
    browser.driver.find_element(By.CSS_SELECTOR, "#open button[value='']").click()
    browser.wait(
        lambda: browser.driver.current_url == system.url("/auctions/Lot_7-b"), "the dashboard"
    )


def test_pages_of_the_list(browser, system):
    names = [f"lot-{i:03}" for i in range(120)]
    for name in names:
        system.set_tracking(name)
    seen = []
    browser.open(system.url("/"))
    for page, expected in enumerate((50, 50, 20)):
        browser.wait(lambda: len(listed(browser)) == expected, f"page {page} of the list")
        seen += listed(browser)
        assert browser.visible("first") == (page > 0)
        assert browser.visible("next") == (page < 2)
        if page < 2:
            browser.find("next").click()
            browser.wait(lambda: f"after={seen[-1]}" in browser.driver.current_url, "the next page")
    assert seen == names
    browser.driver.back()
    browser.wait(lambda: listed(browser) == names[50:100], "the page before")
    browser.find("first").click()
    browser.wait(lambda: listed(browser) == names[:50], "the first page")


def test_a_server_that_is_away_is_said_and_found_again(browser, system):
    system.set_tracking("lot-1")
    browser.open(system.url("/"))
    browser.wait(lambda: listed(browser) == ["lot-1"], "the list")
    system.api.kill9()
    browser.wait(lambda: browser.visible("problem"), "the page to say so")
    assert "cannot be reached" in browser.text("problem") and listed(browser) == ["lot-1"]
    system.api.start()
    browser.wait(lambda: not browser.visible("problem"), "the server to be found again")


def test_without_a_sampler_no_count_is_made_up(browser, make_system):
    system = make_system(samplers=0)
    system.set_tracking("lot-1")
    browser.open(system.url("/"))
    browser.wait(lambda: listed(browser) == ["lot-1"], "the list")
    assert cells(browser, "lot-1")[1] == "–"
    assert browser.text("summary") == "Live counts are not available at the moment"
