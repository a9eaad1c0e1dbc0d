"""Waiting for what must come."""

import time

WAIT_SECONDS = 30  # also where a machine is busy or stands still for a while


def wait_until(condition, timeout=WAIT_SECONDS, what="a condition", every=0.02):
    """Returns condition()'s first true value; fails, naming what, after timeout seconds: with a
    look that began after them, however long this process stood still."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"waited {timeout} s for {what}; last seen: {value!r}")
        time.sleep(every)
