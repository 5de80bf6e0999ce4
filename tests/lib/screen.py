"""A person at a terminal: what a program shows there (pexpect under it, pyte as the screen), and keys that are typed."""
import os
import time

import pexpect
import pyte


class Screen:
    def __init__(self, argv, env, rows=24, columns=100):
        self.child = pexpect.spawn(argv[0], argv[1:], env=dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **env), dimensions=(rows, columns), timeout=5)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""  # everything that came, with its escapes
        self.came = self.mark = 0  # bytes until now, and before the last keys

    def read(self, seconds):
        try:
            data = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self.came += len(data)
        self.stream.feed(data)
        return True

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n")

    def line(self):
        """The line that the cursor is in, up to it."""
        return self.screen.display[self.screen.cursor.y][:self.screen.cursor.x]

    def until(self, what, test, seconds=10):
        end = time.monotonic() + seconds
        while not test():
            if time.monotonic() > end or not self.read(0.05):
                raise AssertionError("waited for %s; the screen is:\n%s\n(cursor in: %r)" % (what, self.text(), self.line()))

    def wait(self, text, seconds=10):
        self.until(repr(text), lambda: text in self.text(), seconds)

    def prompt(self, prompt, seconds=10):
        """An empty line behind the prompt: the command has ended."""
        self.until("the prompt %r" % prompt, lambda: self.came > self.mark and self.line() == prompt, seconds)

    def typed(self, line, seconds=10):
        self.until("the line %r" % line, lambda: self.line() == line, seconds)

    def keys(self, text):
        while self.read(0) and self.child.buffer:
            pass
        self.mark = self.came  # what is on the screen now is not the answer
        self.child.send(text)

    def command(self, line, prompt, seconds=10):
        """Type a line on a clear screen; what came until the prompt."""
        self.keys("\x0c")
        self.until("a clear screen", lambda: self.came > self.mark and self.screen.cursor.y == 0 and self.screen.cursor.x > 0)
        self.keys(line + "\r")
        self.until("a new line", lambda: self.screen.cursor.y > 0)
        self.prompt(prompt, seconds)
        return self.text()

    def end(self, seconds=5):
        end = time.monotonic() + seconds
        while self.read(0.05):
            if time.monotonic() > end:
                raise AssertionError("still there; the screen is:\n" + self.text())
        self.child.close()
        return self.child.exitstatus
