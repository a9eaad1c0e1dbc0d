"""Asks an api for live counts again and again, in the background."""

import threading

from waiting import wait_until


class LivePoller:
    """A thread that asks for each auction in turn; seen holds what it was told: viewers, or None
    when they were not known."""

    def __init__(self, system, *auctions):
        self.system = system
        self.seen = {auction: [] for auction in auctions}
        self.running = True
        self.rounds = 0
        self.failed = None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while self.running:
                self._ask()
                self.rounds += 1
        except Exception as error:  # shown by the test's own thread
            self.failed = error

    def _ask(self):
        for auction, seen in self.seen.items():
            data = self.system.live(auction)
            seen.append(data["viewers"] if data["live"] else None)

    def wait_round(self):
        """Returns when each auction has been asked for since the call."""
        rounds = self.rounds + 2  # one is under way
        wait_until(lambda: self.failed or self.rounds >= rounds, 30, "the api to be asked")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        if self.failed:
            raise self.failed
