"""Draws the run as SVG: utilisation, share of the weights, response times; time runs to the right."""

from judge import WINDOW_SECONDS, quantile

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 900, 70, 110, 170, 56, 64
COLOURS = ("#c0392b", "#e08e0b", "#2471a3")
STEP_SECONDS = 5


class Panel:
    """One diagram: its place, its scale, and what was drawn in it."""

    def __init__(self, number, title, top, unit, seconds):
        self.y, self.top, self.seconds, self.parts = TOP + number * (PANEL + GAP), top, seconds, []
        self.parts.append(f'<text x="{LEFT}" y="{self.y - 10}" font-weight="bold">{title}</text>')
        for n in range(5):
            value = top * n / 4
            self.parts.append(f'<path class="grid" d="M{LEFT} {self.at(0, value)[1]:.1f}H{WIDTH - RIGHT}"/>')
            self.parts.append(f'<text x="{LEFT - 6}" y="{self.at(0, value)[1] + 4:.1f}" text-anchor="end">{value:.0f} {unit}</text>')
        for second in range(0, int(seconds) + 1, 30):
            x, bottom = self.at(second, 0)
            self.parts.append(f'<path class="grid" d="M{x:.1f} {self.y}V{bottom}"/><text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{second} s</text>')

    def at(self, second, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds, self.y + PANEL * (1 - min(value / self.top, 1.03))

    def line(self, points, colour, label, row):
        path = "L".join("{:.1f} {:.1f}".format(*self.at(*point)) for point in points)
        self.parts.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
        self.parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{self.y + 14 + 18 * row}" fill="{colour}">{label}</text>')

    def mark(self, second, text):
        x = self.at(second, 0)[0]
        self.parts.append(f'<path class="mark" d="M{x:.1f} {self.y}v{PANEL}"/><text x="{x + 5:.1f}" y="{self.y + 14}">{text}</text>')


def draw(load, watch, equal, even):
    """The whole picture as text."""
    seconds = even.end - equal.begin
    turns = range(STEP_SECONDS, int(seconds) + 1, STEP_SECONDS)
    times = {turn: [] for turn in turns}
    for due, took, _ in load.requests:
        turn = (int((due - equal.begin) // STEP_SECONDS) + 1) * STEP_SECONDS
        if due >= equal.begin and turn in times:
            times[turn].append(1000 * took)
    # Windows do not reach over the change of the document, so that it shows where it was made.
    used = {turn: watch.utilisation(max(equal.begin + turn - WINDOW_SECONDS, even.begin if equal.begin + turn > even.begin else equal.begin), equal.begin + turn) for turn in turns}
    shares = [(at - equal.begin, [100 * w / max(sum(weights), 1) for w in weights]) for at, _, weights in watch.samples if at >= equal.begin]
    p99 = [(turn, quantile(t, 0.99)) for turn, t in times.items() if t]
    panels = [
        Panel(0, "Utilisation: CPU time used, of the server's quota (10 s mean)", 100, "%", seconds),
        Panel(1, "Weight in force, share of the sum", 80, "%", seconds),
        Panel(2, "Response time (of 5 s)", max(100, 100 * round(max(value for _, value in p99) / 100 + 0.5)), "ms", seconds),
    ]
    for n, server in enumerate(watch.servers):
        label = f"{server.name}, {server.quota:g} CPU"
        panels[0].line([(turn, 100 * values[n]) for turn, values in used.items()], COLOURS[n], label, n)
        panels[1].line([(at, values[n]) for at, values in shares], COLOURS[n], label, n)
    panels[2].line(p99, "#6c3483", "p99", 0)
    panels[2].line([(turn, quantile(t, 0.5)) for turn, t in times.items() if t], "#7f8c8d", "p50", 1)
    for panel in panels:
        panel.mark(even.begin - equal.begin, "even")
    height = TOP + len(panels) * (PANEL + GAP)
    body = "\n".join(part for panel in panels for part in panel.parts)
    title = f"Equal weights, then even: {even.rate:.0f} requests/s all the time. p99 {1000 * equal.p99:.0f} ms, then {1000 * even.p99:.0f} ms"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">
<style>.grid {{ stroke: #ddd }} .line {{ fill: none; stroke-width: 1.8 }} .mark {{ stroke: #444; stroke-dasharray: 4 3 }}</style>
<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="26" font-size="16">{title}</text>
{body}
</svg>
"""
