"""A browser for each test."""

import pytest

from chromium import Chromium


@pytest.fixture
def browser():
    chromium = Chromium()
    yield chromium
    chromium.quit()
