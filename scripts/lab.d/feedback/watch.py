"""Looks once a second at what nobody in the loop can embellish: CPU time by the kernel's count, weights by the API."""

import asyncio
import json
import time


class Server:
    """One server's limit: its name, its part of a CPU, and the file with the CPU time that it has used."""

    def __init__(self, line):
        self.name, quota, _, self.file = line.split()
        self.quota = float(quota)

    def used_seconds(self):
        with open(self.file, encoding="ascii") as file:
            words = file.read().split()
        # Version 1 of control groups has one number, in nanoseconds; version 2 names it, in microseconds.
        return int(words[0]) / 1e9 if len(words) == 1 else int(words[words.index("usage_usec") + 1]) / 1e6


class Watch:
    """Samples: time, CPU seconds used by each server, effective weight of each backend."""

    def __init__(self, limits, control):
        with open(limits, encoding="ascii") as file:
            self.servers = [Server(line) for line in file]
        self.control, self.samples = control, []

    def used(self):
        return [server.used_seconds() for server in self.servers]

    async def weights(self):
        reader, writer = await asyncio.open_unix_connection(self.control)
        writer.write(b"GET /v1/services/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        backends = {b["name"]: b["effective_weight"] for b in json.loads(answer.partition(b"\r\n\r\n")[2])["backends"]}
        return [backends[server.name] for server in self.servers]

    async def run(self):
        """Until cancelled."""
        turn = time.monotonic()
        while True:
            weights = await self.weights()
            self.samples.append((time.monotonic(), self.used(), weights))
            turn += 1
            await asyncio.sleep(max(0, turn - time.monotonic()))

    def utilisation(self, begin, end):
        """Mean part of its quota that each server used between two times, of the samples nearest to them."""
        first = min(self.samples, key=lambda sample: abs(sample[0] - begin))
        last = min(self.samples, key=lambda sample: abs(sample[0] - end))
        seconds = max(last[0] - first[0], 1e-9)
        return [(b - a) / seconds / s.quota for a, b, s in zip(first[1], last[1], self.servers)]

    def shares(self, begin, end):
        """Shares of the sum of weights, one list a sample."""
        return [[w / max(sum(weights), 1) for w in weights] for at, _, weights in self.samples if begin <= at <= end]
