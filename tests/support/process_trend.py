# SPDX-License-Identifier: Apache-2.0
"""What a process holds over time: memory, descriptors, threads, file locks. It should be flat, and a chart shows it."""
import contextlib
import json
import os
import statistics
import subprocess
import time

# Memory of the first quarter, in which it is still taken, tells nothing of what leaks. After it, what is taken for good
# would be there again and again: as much more as this is chance.
MEMORY_GROWS_AT_MOST = 1.15
MEMORY_SLACK = 8 << 20  # pages of malloc, of which some are given back late
COUNT_GROWS_AT_MOST = 2  # descriptors that are open for a moment


def look_at(process):
    """{what: how much} at this moment; raises OSError where the process has ended."""
    with open(f'/proc/{process}/status') as file:
        status = dict(line.split(':', 1) for line in file)
    with open('/proc/locks') as file:
        locks = sum(line.split()[-4:-3] == [str(process)] for line in file)
    return {'memory': int(status['VmRSS'].split()[0]) << 10, 'descriptors': len(os.listdir(f'/proc/{process}/fd')),
            'threads': int(status['Threads']), 'locks': locks}


class Trend:
    """REQUIRES: look() is called again and again; it looks at most once in `every_s` seconds."""

    def __init__(self, process, every_s):
        self.process, self.every_s = process, every_s
        self.begun = time.monotonic()
        self.looks = []  # (seconds, {what: how much})

    def look(self):
        now = time.monotonic() - self.begun
        if not self.looks or now - self.looks[-1][0] >= self.every_s:
            with contextlib.suppress(OSError):
                self.looks.append((now, look_at(self.process)))

    def quarters(self, what):
        """The medians of the second and of the last quarter."""
        values = [look[what] for _, look in self.looks]
        quarter = len(values) // 4
        return statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])

    def fault(self):
        """What has grown, or nothing."""
        if len(self.looks) < 8:
            return f'the process was looked at {len(self.looks)} times only'
        grown = []
        for what in self.looks[0][1]:
            before, after = self.quarters(what)
            most = before * MEMORY_GROWS_AT_MOST + MEMORY_SLACK if what == 'memory' else before + COUNT_GROWS_AT_MOST
            if after > most:
                grown.append(f'{what} grew from {before:.0f} to {after:.0f}')
        return '; '.join(grown) or None

    def describe(self):
        last = self.looks[-1][1]
        return f'{last["memory"] >> 20} MiB, {last["descriptors"]} descriptors, {last["threads"]} threads, {last["locks"]} locks'

    def draw(self, program, svg, title):
        """Writes a chart by `program`, which is draw_chart: each as a multiple of its median over all."""
        series = []
        for what in self.looks[0][1]:
            usual = statistics.median(look[what] for _, look in self.looks)
            if usual > 0:
                series.append({'name': f'{what} ({usual / (1 << 20):.0f} MiB)' if what == 'memory' else f'{what} ({usual:.0f})',
                               'points': [[at, look[what] / usual] for at, look in self.looks]})
        chart = {'kind': 'lines', 'title': title, 'note': 'each as a multiple of its median, which stands in brackets',
                 'x': {'label': 'time', 'unit': 'seconds'}, 'y': {'label': 'multiple of the median'}, 'series': series}
        drawn = subprocess.run([program], input=json.dumps(chart), capture_output=True, text=True, check=True)
        with open(svg, 'w') as file:
            file.write(drawn.stdout)
