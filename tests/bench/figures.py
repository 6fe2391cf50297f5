"""The arithmetic of the comparison. Pure functions."""
import statistics

LEAST_MEMORY_BYTES = 64 << 20  # 8 MiB for the smallest cache of Quire, the rest for processes and a little page cache

# Their figures differ little from round to round.
STEADY_DATASETS = ('large', 'million', 'papirus', 'fashion')
STEADY_EXPERIMENTS = ('warm', 'meta', 'memory', 'plan', 'imagefolder', 'messages', 'disk')


def median(values):
    """None for no values."""
    values = list(values)
    return statistics.median(values) if values else None


def paired_ratio(mine, reference):
    """Both map rounds to values. The median of the ratios of each round that both have, so that what slowed a whole round
    down cancels out; None where there is no such round."""
    return median(mine[turn] / reference[turn] for turn in mine if reference.get(turn))


def rank(rates, name):
    """(1, 5): the best of five. None where `name` has no rate. `rates`: by name, None where there is none."""
    if rates.get(name) is None:
        return None
    known = [rate for rate in rates.values() if rate is not None]
    return 1 + sum(rate > rates[name] for rate in known), len(known)


def rotated(items, turn):
    """The items with another one first in each turn, so that nobody always comes after the same one's caches."""
    turn %= max(1, len(items))
    return [*items[turn:], *items[:turn]]


def rounds_of(dataset, experiment, rounds):
    """Cold figures scatter most and get all rounds, and so does what is measured only where it is named; the others half of
    them."""
    steady = dataset in STEADY_DATASETS or experiment in STEADY_EXPERIMENTS
    return (rounds + 1) // 2 if steady else rounds


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
