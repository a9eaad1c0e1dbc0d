"""Asks an api for live counts again and again, in the background."""

import threading


class LivePoller:
    """A thread that asks for each auction in turn; seen holds what it was told: viewers, or None
    when they were not known."""

    def __init__(self, system, *auctions):
        self.system = system
        self.seen = {auction: [] for auction in auctions}
        self.running = True
        self.failed = None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while self.running:
                self._ask()
        except Exception as error:  # shown by the test's own thread
            self.failed = error

    def _ask(self):
        for auction, seen in self.seen.items():
            data = self.system.live(auction)
            seen.append(data["viewers"] if data["live"] else None)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        if self.failed:
            raise self.failed
