"""What was measured, and whether it is what was promised. Arithmetic only."""

SETTLE_SECONDS, WINDOW_SECONDS, WARM_UP_SECONDS = 30, 10, 10
SPREAD, P99_GAIN, MOVE = 0.10, 0.30, 0.05
LATE_SECONDS = 0.05
ENOUGH_LOAD, BEARABLE_LOAD = 0.75, 0.98


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def spread(utilisations):
    return max(utilisations) - min(utilisations)


class Phase:
    """A stretch of the run under one document: what the client and the kernel saw."""

    def __init__(self, load, watch, begin, end, judged_from):
        self.begin, self.end, self.judged_from = begin, end, judged_from
        requests = [r for r in load.requests if judged_from <= r[0] < end]
        times = [seconds for _, seconds, _ in requests]
        self.failed = sum(failed for at, _, failed in load.requests if begin <= at < end)
        self.rate = len(requests) / (end - judged_from)
        self.p50, self.p99 = quantile(times, 0.5), quantile(times, 0.99)
        self.utilisation = watch.utilisation(judged_from, end)

    def __str__(self):
        used = " ".join(f"s{n} {100 * u:.0f} %" for n, u in enumerate(self.utilisation, 1))
        return f"{self.rate:.0f} requests/s, utilisation {used}, p50 {1000 * self.p50:.0f} ms, p99 {1000 * self.p99:.0f} ms, {self.failed} failed"


def settled_at(watch, phase):
    """Seconds until the first window with all utilisations within the limit; None: never."""
    at = phase.begin
    while at + WINDOW_SECONDS <= phase.end:
        if spread(watch.utilisation(at, at + WINDOW_SECONDS)) <= SPREAD:
            return at + WINDOW_SECONDS - phase.begin
        at += 1
    return None


def largest_move(watch, phase):
    """Largest change of a weight within a minute, as a part of its mean, once settled."""
    most, at = 0.0, phase.begin + SETTLE_SECONDS
    while at == phase.begin + SETTLE_SECONDS or at + 60 <= phase.end:
        for shares in zip(*watch.shares(at, min(at + 60, phase.end))):
            most = max(most, (max(shares) - min(shares)) * len(shares) / sum(shares))
        at += 1
    return most


def verdicts(load, watch, equal, even):
    """(whether it holds, sentence) for everything that is checked."""
    late = quantile([late for at, late in load.lateness if at >= equal.begin], 0.99)
    yield late <= LATE_SECONDS, f"the client kept time: 99 % of requests began at most {1000 * late:.0f} ms late (limit {1000 * LATE_SECONDS:.0f} ms)"
    hottest = max(equal.utilisation)
    yield ENOUGH_LOAD <= hottest <= BEARABLE_LOAD, f"the comparison is fair: with equal weights the weakest server was {100 * hottest:.0f} % busy (between {100 * ENOUGH_LOAD:.0f} % and {100 * BEARABLE_LOAD:.0f} %)"
    failed = equal.failed + even.failed
    yield failed == 0, f"{failed} requests failed" + "".join(f"; {n} times {why}" for why, n in load.reasons.items())
    begin, rest = settled_at(watch, even), spread(even.utilisation)
    when = "never" if begin is None else f"after {begin:.0f} s"
    yield begin is not None and begin <= SETTLE_SECONDS, f"utilisations came within {100 * SPREAD:.0f} points of each other {when} (limit {SETTLE_SECONDS} s)"
    yield rest <= SPREAD, f"and stayed there: {100 * rest:.1f} points apart in the mean of the {even.end - even.judged_from:.0f} s after (limit {100 * SPREAD:.0f})"
    gain = 1 - even.p99 / equal.p99
    yield gain >= P99_GAIN, f"p99 {1000 * equal.p99:.0f} ms with equal weights, {1000 * even.p99:.0f} ms with even: {100 * gain:.0f} % lower (at least {100 * P99_GAIN:.0f} %)"
    move = largest_move(watch, even)
    yield move < MOVE, f"weights then moved by {100 * move:.1f} % in a minute at most (limit {100 * MOVE:.0f} %)"
