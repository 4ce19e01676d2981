"""Requests at a given rate, whatever becomes of them: each a new connection, begun at a time that was settled before.

A closed loop of clients (as wrk has it) asks less of a slow pool than of a fast one, and would flatter it. Here the
times of arrival are the same for the same seed and rate, and a response time counts from when its request was due.
"""

import asyncio
import random
import time

REQUEST = b"GET /words HTTP/1.1\r\nHost: lab\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
GIVE_UP_SECONDS = 10
SEED = 30294


class Load:
    """Every request so far: when it was due (monotonic clock), how long until the last octet, whether it failed."""

    def __init__(self, address):
        self.address, self.requests, self.lateness, self.reasons = address, [], [], {}

    async def ask(self, due):
        failed = False
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                reader, writer = await asyncio.open_connection(self.address, 80)
                try:
                    writer.write(REQUEST)
                    head = await reader.readline()
                    octets = 0
                    while chunk := await reader.read(1 << 16):
                        octets += len(chunk)
                finally:
                    writer.transport.abort()
            if not head.startswith(b"HTTP/1.1 200 ") or octets < 1000:
                raise ValueError(f"not the page that was asked for: {head!r}")
        except (OSError, ValueError, TimeoutError) as error:
            failed = True
            reason = f"{type(error).__name__}: {error}"
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.requests.append((due, time.monotonic() - due, failed))

    async def run(self, rate, seconds):
        """Arrivals by chance, `rate` a second in the mean; returns when all that were begun have ended."""
        source, under_way, due = random.Random(SEED), set(), time.monotonic()
        end = due + seconds
        while (due := due + source.expovariate(rate)) < end:
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            self.lateness.append((due, time.monotonic() - due))
            task = asyncio.create_task(self.ask(due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)
