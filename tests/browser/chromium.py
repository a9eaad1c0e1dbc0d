"""Chromium with one or more tabs, and what tests ask of a page."""

import tempfile

from selenium import webdriver
from selenium.webdriver.common.by import By

from waiting import wait_until

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,1000",
]  # fmt: skip


class Chromium:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="hc-chromium-")
        options = webdriver.ChromeOptions()
        for flag in [*FLAGS, f"--user-data-dir={self.profile.name}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options)

    def renew(self):
        """Leaves one new tab: no other's storage, emulation or console lines."""
        old = self.driver.window_handles
        self.driver.switch_to.new_window("tab")
        new = self.driver.current_window_handle
        for handle in old:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(new)
        self.complaints()

    def open(self, url):
        """Loads a page in the current tab; its handle."""
        self.driver.get(url)
        return self.driver.current_window_handle

    def open_tab(self, url):
        self.driver.switch_to.new_window("tab")
        return self.open(url)

    def go_to(self, tab):
        self.driver.switch_to.window(tab)

    def find(self, id):
        return self.driver.find_element(By.ID, id)

    def text(self, id):
        return self.find(id).text

    def visible(self, id):
        return self.find(id).is_displayed()

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def wait(self, condition, what, timeout=15):
        return wait_until(condition, timeout, what)

    def wait_text(self, id, text, timeout=15):
        self.wait(lambda: self.text(id) == text, f"#{id} to say {text!r}", timeout)

    def requests(self, part):
        """How many requests for addresses with this part the page has made."""
        script = "return performance.getEntriesByType('resource').filter(e => e.name.includes(arguments[0])).length"
        return self.script(script, part)

    def complaints(self):
        """Errors on the console since the last call: scripts, policy, missing files."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def quit(self):
        self.driver.quit()
        self.profile.cleanup()
