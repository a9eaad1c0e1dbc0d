"""What is true, and how far from it is what is said. Pure: the caller says what happened and when.

A viewer is watching from the end of its handshake until either side closes the connection: what
its browser knows. During the handshake the gateway may count it already or not. While a gateway
is stopped or cut off nobody can say whether its viewers are still there, and it can be told of
none that leaves: all who were there when that began may be counted or not, until it can be reached
again. So the truth about an auction at one gateway, a share, is two bounds, mostly one number.

News of different gateways travels independently, for a while: a number is right if it can be made
up of shares that were true at some time in the last LAG seconds each. With nobody coming and going
for so long, that is: exactly the connections open. Seconds are those of Clock.
"""

import collections

LAG = 1.0


class Clock:
    """Seconds that leave out those in which nothing here ran, as on a machine that is halted or
    starved: what is said then cannot be newer than what was heard before. Asked often."""

    MOST = 0.2  # between two questions, if all goes well

    def __init__(self, now):
        self.at = now
        self.seconds = 0.0
        self.halts = []  # (from, to) of each time in which nothing ran, as the caller's clock has it

    def now(self, now):
        if now - self.at > self.MOST:
            self.halts.append((self.at, now))
        self.seconds += min(now - self.at, self.MOST)
        self.at = now
        return self.seconds


class Share:
    """The audience of one auction at one gateway."""

    def __init__(self, now, wall_ms):
        self.open = 0
        self.trying = 0  # handshakes under way
        self.reachable = True
        self.most = 0  # while it cannot be reached: what may be counted
        self.recent = collections.deque([(now, 0, 0)])  # since when, low, high
        self.history = [(wall_ms, 0, 0)]

    def now(self):
        return self.recent[-1][1:]

    def note(self, now, wall_ms):
        """Something has changed."""
        low, high = self.open, self.open + self.trying
        if not self.reachable:
            self.most = max(self.most, high)
            low, high = 0, self.most
        if (low, high) != self.now():
            self.recent.append((now, low, high))
            self.history.append((wall_ms, low, high))

    def bounds(self, since):
        """The least and the greatest that was true at any time since; since never goes back."""
        recent = self.recent
        while len(recent) > 1 and recent[1][0] <= since:
            recent.popleft()
        if len(recent) == 1:
            return recent[0][1:]
        return min(low for _, low, _ in recent), max(high for _, _, high in recent)


def add(pairs):
    """The bounds of an auction from those of its shares."""
    low = high = 0
    for one_low, one_high in pairs:
        low, high = low + one_low, high + one_high
    return low, high


def between(history, begin_ms, end_ms):
    """As Share.bounds(), of a share's history and both ends of a time."""
    low, high = (0, 0) if history[0][0] > begin_ms else history[0][1:]
    for wall_ms, now_low, now_high in history:
        if wall_ms > end_ms:
            break
        if wall_ms <= begin_ms:
            low, high = now_low, now_high
        else:
            low, high = min(low, now_low), max(high, now_high)
    return low, high


def distance(number, low, high):
    """How far a number is from being right; one that is not known is as wrong as 0."""
    if number is None:
        return max(low, 1)
    return max(low - number, number - high, 0)


class Errors:
    """The greatest error and the last moment with any, of each kind of speaker."""

    def __init__(self):
        self.largest = {}  # kind -> (error, what was said)
        self.last = {}  # kind -> time

    def add(self, kind, who, said, low, high, now):
        error = distance(said, low, high)
        self.last[kind] = now
        if error > self.largest.get(kind, (0, ""))[0]:
            self.largest[kind] = (error, f"{who}: {said}, not {low} to {high}")
