"""One Chromium for all tests, a fresh tab for each; a system that does not wait for its viewers."""

import pytest

from chromium import Chromium


@pytest.fixture(scope="session")
def chromium():
    chromium = Chromium()
    yield chromium
    chromium.quit()


@pytest.fixture
def browser(chromium):
    chromium.renew()
    return chromium


@pytest.fixture
def system(make_system):
    return make_system(gateway={"DRAIN_SECONDS": 0})
