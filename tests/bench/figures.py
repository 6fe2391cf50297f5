# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the comparison. Pure functions."""
import dataclasses
import math
import random
import statistics

LEAST_MEMORY_BYTES = 64 << 20  # 8 MiB for the smallest cache of Quire, the rest for processes and a little page cache

LEAST_ROUNDS = 7  # with fewer the interval of a ratio is too sure of itself: tools/bench/comparison.h
DRAWS, CUT_DRAWS = 1000, 5


def median(values):
    """None for no values."""
    values = list(values)
    return statistics.median(values) if values else None


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times as much; `low` and `high` where there were rounds enough to tell."""
    middle: float
    low: float = None
    high: float = None

    def is_known(self):
        return self.low is not None

    def is_tie(self):
        return self.is_known() and self.low <= 1 <= self.high


def paired_ratio(mine, reference):
    """Both map rounds to values. The geometric mean of the ratios of each round that both have, so that what slowed a whole
    round down cancels out, and an interval that holds it in 19 of 20 cases, by the bootstrap of tools/bench/comparison.h. None
    where there is no such round."""
    logs = [math.log(mine[turn] / reference[turn]) for turn in sorted(mine) if reference.get(turn) and mine[turn]]
    if not logs:
        return None
    middle = statistics.fmean(logs)
    if len(logs) < LEAST_ROUNDS:
        return Ratio(math.exp(middle))
    draw = random.Random(1)
    means = sorted(statistics.fmean(draw.choices(logs, k=len(logs))) for _ in range(DRAWS))
    wider = math.sqrt(len(logs) / (len(logs) - 1))
    return Ratio(*(math.exp(middle + (end - middle) * wider) for end in (middle, means[CUT_DRAWS], means[-1 - CUT_DRAWS])))


def seconds_for(epoch, samples):
    """After which it had read its first `samples`: by its rates in tenths of all that it read, at one pace where it does not
    tell them."""
    seconds = [1 / rate for rate in epoch.get('samples_per_second_of_tenths') or [1]]  # of each, for as many samples
    parts = samples / epoch['samples'] * len(seconds)
    whole = int(parts)
    passed = sum(seconds[:whole]) + (parts - whole) * sum(seconds[whole:whole + 1])
    return epoch['seconds'] * passed / sum(seconds)


def equal_prefix_rates(mine, reference):
    """Both map rounds to epochs in the same order. The rates of each over the samples that both came to, by round."""
    rates = {}, {}
    for turn in mine.keys() & reference.keys():
        samples = min(mine[turn]['samples'], reference[turn]['samples'])
        for rate, epochs in zip(rates, (mine, reference)):
            rate[turn] = samples / seconds_for(epochs[turn], samples) if samples else 0
    return rates


def ratio_text(ratio):
    """'2.50 [2.31..2.70]', '1.02 [0.97..1.08] tie', or '2.50?' where there were too few rounds; empty for none."""
    if ratio is None:
        return ''
    if not ratio.is_known():
        return f'{three_digits(ratio.middle)}?'
    return (f'{three_digits(ratio.middle)} [{three_digits(ratio.low)}..{three_digits(ratio.high)}]' +
            (' tie' if ratio.is_tie() else ''))


def place(ratios):
    """(1, 3, 10): between the first and the third place of ten. `ratios`: of each other, how many times as fast it is. Who
    cannot be told from, is before and behind. None where some are not known."""
    if any(not ratio.is_known() for ratio in ratios):
        return None
    ahead, ties = sum(ratio.low > 1 for ratio in ratios), sum(ratio.is_tie() for ratio in ratios)
    return 1 + ahead, 1 + ahead + ties, 1 + len(ratios)


def round_order(items, turn, seed=1):
    """The items in the order of one round: drawn by the seed, then turned so that over as many rounds as there are items, and
    these are even, each comes directly after each other once (a Williams square): nobody always meets the same one's
    traces. Of an odd number each follows most."""
    items = list(items)
    random.Random(seed).shuffle(items)
    count = len(items)
    zigzag = [(place + 1) // 2 if place % 2 else (count - place // 2) % max(1, count) for place in range(count)]
    return [items[(place + turn) % count] for place in zigzag]


def memory_bytes(text, data_bytes):
    """'512M', '1G', or '0.5x' for that share of the data set. ValueError where it is neither. A share is at least what
    readers and daemons need for themselves."""
    number, unit = text[:-1], text[-1:].lower()
    if unit == 'x' and number.replace('.', '', 1).isdigit() and float(number) > 0:
        return max(LEAST_MEMORY_BYTES, int(float(number) * data_bytes))
    if unit in ('k', 'm', 'g') and number.isdigit():
        return int(number) << {'k': 10, 'm': 20, 'g': 30}[unit]
    raise ValueError(f"'{text}' is no size such as 512M or 1G, and no share of the data such as 0.5x")


def whole_mebibytes(size_bytes):
    """At most that many."""
    return int(size_bytes) >> 20


def with_spread(values, form):
    """'38.2k (36.0k..41.5k)': the median, and the least and the greatest where there are several; empty for no values."""
    values = [value for value in values if value is not None]
    if not values:
        return ''
    return form(median(values)) + (f' ({form(min(values))}..{form(max(values))})' if len(values) > 1 else '')


def difference(after, before):
    """Of counters, by name."""
    return {name: count - before[name] for name, count in after.items()}


def nominal_seconds(files, data_bytes, epochs, limit, overhead):
    """What epochs over files of this size take on average of all contestants: 50 us for each and 700 MB/s."""
    return overhead + epochs * min(limit, files * 50e-6 + data_bytes / 700e6)


def seconds_left(done, left):
    """`done`: pairs of nominal and actual seconds. `left`: nominal seconds. What is left, at the pace so far."""
    nominal = sum(pair[0] for pair in done)
    pace = sum(pair[1] for pair in done) / nominal if nominal > 0 else 1
    return pace * sum(left)


def short(number):
    """Three digits and a unit: 38.2k."""
    for unit, factor in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if abs(number) >= factor * 0.9995:
            return three_digits(number / factor) + unit
    return three_digits(number)


def three_digits(number):
    if abs(number) >= 99.95:
        return f'{number:.0f}'
    return f'{number:.1f}' if abs(number) >= 9.995 else f'{number:.2f}'


def duration(seconds):
    """1.2 ms, 45 us, 3.1 s."""
    for unit, factor in (('s', 1), ('ms', 1e-3), ('us', 1e-6)):
        if seconds >= factor * 0.9995 or unit == 'us':
            return f'{three_digits(seconds / factor)} {unit}'


def minutes(seconds):
    return f'{round(seconds)} s' if seconds < 90 else f'{round(seconds / 60)} min'
