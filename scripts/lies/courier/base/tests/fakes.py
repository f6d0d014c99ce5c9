"""Stand-ins for the outside world."""


class FakeClock:
    """Starts now, because parts of the package read the system's time; advances only when told."""

    def __init__(self, start=None):
        import time

        self.time = time.time() if start is None else start
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += max(seconds, 0.001)

    def advance(self, seconds):
        self.time += seconds


class FakeRandom:
    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value
