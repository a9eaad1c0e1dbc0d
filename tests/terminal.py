"""A terminal of type xterm as far as ncurses needs one, with a program in it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from service import SANITIZER, environment
from waiting import wait_until

_CONTROL = re.compile(rb"\x1b\[([?>]?[\d;]*)([@A-Za-z`])|\x1b[()][0-9A-B]|\x1b[=>78M]|[\x00-\x1f]|[^\x1b\x00-\x1f]+")


class Screen:
    """What is seen, from the bytes written so far."""

    def __init__(self, width, height):
        self.alternate, self.cursor_shown, self.unknown = False, True, set()
        self.rest = b""
        self.resize(width, height)

    def resize(self, width, height):
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.x = self.y = 0

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    @property
    def text(self):
        return "\n".join(self.lines)

    def feed(self, data):
        data, self.rest = self.rest + data, b""
        while data:
            match = _CONTROL.match(data)
            if not match:
                assert data[:1] == b"\x1b" and len(data) < 32, data[:32]
                self.rest = data
                return
            whole = match.group(0)
            data = data[len(whole) :]
            if match.group(2):
                self._control(match.group(1).decode(), match.group(2).decode())
            elif whole[0] > 31:
                self._write(whole.decode("ascii"))
            elif whole == b"\r":
                self.x = 0
            elif whole == b"\n":
                self.y = min(self.y + 1, self.height - 1)
            elif whole == b"\b":
                self.x = max(self.x - 1, 0)

    def _write(self, text):
        for character in text:
            if self.x < self.width:
                self.cells[self.y][self.x] = character
                self.x += 1

    def _control(self, arguments, final):
        if arguments[:1] == "?":
            self._mode(arguments[1:], final == "h")
            return
        numbers = [int(number or 0) for number in arguments.split(";") if arguments[:1] != ">"]
        first = max(numbers[0], 1) if numbers else 1
        row = self.cells[self.y]
        if final == "H":
            second = max(numbers[1], 1) if len(numbers) > 1 else 1
            self.y, self.x = min(first, self.height) - 1, min(second, self.width) - 1
        elif final in "AB":
            self.y = min(max(self.y + (first if final == "B" else -first), 0), self.height - 1)
        elif final in "CD":
            self.x = min(max(self.x + (first if final == "C" else -first), 0), self.width - 1)
        elif final == "G":
            self.x = min(first, self.width) - 1
        elif final == "d":
            self.y = min(first, self.height) - 1
        elif final == "J":
            self._erase_below() if not numbers or not numbers[0] else self._erase_all()
        elif final == "K":
            span = range(self.x, self.width) if not numbers[0:1] or not numbers[0] else range(self.x + 1)
            for x in span:
                row[x] = " "
        elif final == "X":
            row[self.x : self.x + first] = [" "] * min(first, self.width - self.x)
        elif final == "P":
            row[self.x :] = row[self.x + first :] + [" "] * min(first, self.width - self.x)
        elif final == "@":
            row[self.x :] = ([" "] * first + row[self.x :])[: self.width - self.x]
        elif final == "b":
            self._write(row[self.x - 1] * first)
        elif final in "LM":
            count = min(first, self.height - self.y)
            blank = [[" "] * self.width for _ in range(count)]
            below = self.cells[self.y :]
            moved = blank + below[:-count] if final == "L" else below[count:] + blank
            self.cells[self.y :] = moved
        elif final not in "mrlht":
            self.unknown.add(final)

    def _erase_below(self):
        self.cells[self.y][self.x :] = [" "] * (self.width - self.x)
        for y in range(self.y + 1, self.height):
            self.cells[y] = [" "] * self.width

    def _erase_all(self):
        self.cells = [[" "] * self.width for _ in range(self.height)]

    def _mode(self, name, on):
        if name == "1049":
            self.alternate = on
        elif name == "25":
            self.cursor_shown = on


class Terminal:
    """A program in a terminal of its own. read() takes in what it wrote."""

    def __init__(self, arguments, width=80, height=24, term="xterm"):
        self.master, self.slave = pty.openpty()
        self.screen = Screen(width, height)
        self._set_size(width, height)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            arguments, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE,
            env=environment({"TERM": term}), start_new_session=True,
        )  # fmt: skip

    def _set_size(self, width, height):
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def resize(self, width, height):
        self.read()
        self._set_size(width, height)
        self.screen.resize(width, height)
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.screen.feed(os.read(self.master, 65536))
        return self.screen

    def until(self, condition, what, timeout=10):
        """Until condition(screen) holds."""
        try:
            wait_until(lambda: condition(self.read()), timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen.text}") from None

    def end(self, number=signal.SIGTERM):
        """The exit status after a signal (0: waits only); the terminal must be as it was."""
        if number:
            self.process.send_signal(number)
        status = self.process.wait(10)
        self.read()
        errors = self.process.stderr.read().decode()
        assert not SANITIZER.search(errors), errors
        assert termios.tcgetattr(self.slave) == self.before
        assert self.screen.cursor_shown and not self.screen.alternate
        assert not self.screen.unknown, self.screen.unknown
        return status, errors

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
