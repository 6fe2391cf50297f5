# SPDX-License-Identifier: Apache-2.0
"""RESULTS.md and results.svg from what runs of `peers` wrote with --json."""
import json
import os
import subprocess

import figures
from contestants import BUILD, CONTESTANTS, PLAN_CACHE_SHARE, for_people
from environment import QUIRE
from measuring import FIO_MOMENTS
from trees import TITLES
from trials import TRIAL_LIMIT_S, TRIAL_READERS, TRIAL_ROUNDS, Tried

TITLE_OF = {contestant.name: contestant.title for contestant in CONTESTANTS}
DROPPED, AGAIN = 'caches dropped', 'the same before'  # what was done before a measurement of names
META_COLUMNS = [('walk', DROPPED), ('walk and stat', DROPPED), ('walk and stat', AGAIN), ('lookup', AGAIN),
                ('lookup missing', AGAIN)]
COLD = ('cold', 'cold_walk', 'cold_path')
WITH_DAEMON = {contestant.name for contestant in CONTESTANTS if contestant.has_daemon()}
CHART_DATASET, CHART_READERS = 'tiny', 2
CACHE_BEFORE = {'cold': 'cold', 'cold_walk': 'cold, walked', 'cold_path': 'cold', 'warm': 'warm'}
NAMES_ALONE = 'Before a cold epoch the names are listed, by readdir alone.'
RESIDENT = {'resident_before_bytes': 'before', 'resident_most_bytes': 'at most', 'resident_after_bytes': 'after'}
LISTED_BY = {'cold': NAMES_ALONE, 'cold_path': NAMES_ALONE,
             'cold_walk': 'Before an epoch every entry is looked at by readdir and lstat, with empty caches in a new mount, as'
                          ' `ls -lR` does.'}


def in_short(rows):
    """What a step came to, for the progress line."""
    if 'too_slow' in rows[0]:
        return f'given up, {rows[0]["too_slow"]}'
    if 'requests' in rows[0]:
        counts = ((row['cache'], messages_per_sample(Rows([row]))) for row in rows)
        return ', '.join(f'{cache} {figures.three_digits(count)} messages a file' for cache, count in counts if count is not None)
    if 'resident_most_bytes' in rows[0]:
        return ', '.join(f'{rows[0][field] / 1e6:.0f} MB {moment}' for field, moment in RESIDENT.items())
    if 'neighbour_seconds' in rows[0]:
        return ', '.join(f'{figures.duration(row["neighbour_seconds"])} for the neighbour' for row in rows)
    for field, unit in (('samples_per_second', 'files/s'), ('entries_per_second', 'entries/s'), ('reads_per_second', 'reads/s')):
        if field in rows[0]:
            return ', '.join(figures.short(row[field]) for row in rows) + f' {unit}'


class Rows:
    """The rows of one run, and what is asked of them."""

    def __init__(self, rows):
        self.rows = rows

    def of(self, **wanted):
        return Rows([row for row in self.rows if all(row.get(key) == value for key, value in wanted.items())])

    def distinct(self, key):
        return sorted({row[key] for row in self.rows if key in row})

    def contestants(self):
        present = self.distinct('contestant')
        return [contestant.name for contestant in CONTESTANTS if contestant.name in present]

    def by_round(self, field):
        return {row['round']: row[field] for row in self.rows if row.get(field) is not None}

    def epochs(self):
        return {row['round']: row for row in self.rows if row.get('samples')}

    def median(self, field):
        return figures.median(self.by_round(field).values())

    def cut(self):
        return any(not row.get('complete', True) for row in self.rows)

    def not_cold(self):
        """The epochs that were to be cold and were served by caches: their label says so (`quire bench` counts)."""
        return Rows([row for row in self.rows
                     if row.get('experiment') in COLD and row.get('cache') in ('warm', 'partly cold', 'memory')])

    def without(self, others):
        return Rows([row for row in self.rows if row not in others.rows])

    def too_slow(self):
        return any('too_slow' in row for row in self.rows)


def table(header, lines):
    """Markdown; the first column is text, the others are numbers."""
    rule = '|---|' + '---:|' * (len(header) - 1)
    return '\n'.join(['| ' + ' | '.join(header) + ' |', rule, *('| ' + ' | '.join(line) + ' |' for line in lines)]) + '\n'


def bold(name):
    return f'**{TITLE_OF[name]}**' if name == 'quire' else TITLE_OF[name]


def rate_cell(rows, contestant, field, reference):
    """'38.2k (1.65 [1.50..1.80])': the median, and how many times that of the reference."""
    mine = rows.of(contestant=contestant)
    rate = mine.median(field)
    if rate is None:
        return 'too slow' if mine.too_slow() else ''
    ratio = ratio_of(rows, contestant, reference, field)
    return (figures.short(rate) + (' cut' if mine.cut() else '') + (' not cold' if mine.not_cold().rows else '') +
            (f' ({figures.ratio_text(ratio)})' if ratio is not None and contestant != reference else ''))


def ratio_of(rows, name, reference, field):
    """Of the rounds in which both were cold, where they were to be. Where one of them was cut, over the samples that both came to.
    None where that would be unfair: of epochs in a row, each finds what those before it left in memory, and one that was cut
    left less."""
    rows = rows.without(rows.not_cold())
    mine, other = rows.of(contestant=name), rows.of(contestant=reference)
    if not mine.cut() and not other.cut():
        return figures.paired_ratio(mine.by_round(field), other.by_round(field))
    if set(rows.distinct('experiment')) & set(ABOUT_MEMORY):
        return None
    return figures.paired_ratio(*figures.equal_prefix_rates(mine.epochs(), other.epochs()))


def fio_rates(rows, field, moment):
    """What fio read at one moment of the round of each epoch, in the unit of `field`: as if it had read samples."""
    return [row[moment] * row[field] / row['bytes_per_second'] for row in rows.rows
            if row.get(moment) and row.get('bytes_per_second')]


def fio_drifts(rows):
    """The fastest of the passes of fio in a round, times the slowest."""
    return [row['fio_drift'] for row in rows.rows if row.get('fio_drift')]


def fio_shares(rows):
    """What each epoch came to, of what fio read in its round."""
    return [row['bytes_per_second'] / row['fio_bytes_per_second'] for row in rows.rows if row.get('fio_bytes_per_second')]


def fio_lines(columns):
    lines = [[f'{title}, times the fio of its round', *(figures.with_spread(fio_shares(rows.of(contestant=name)),
                                                                         figures.three_digits) for _, rows in columns)]
             for name, title in (('quire', 'Quire'), ('directory', 'the directory'))]
    return [line for line in lines if any(line[1:])]


def rate_table(columns, field, reference, contestants):
    """`columns`: (title, rows of that column). Ends with shares of what fio read, where it did, and the place of Quire."""
    lines = [[bold(name)] + [rate_cell(rows, name, field, reference) for _, rows in columns] for name in contestants]
    lines += fio_lines(columns)
    places = [place_cell(rows, field, contestants) for _, rows in columns]
    if any(places):
        lines.append(['place of Quire'] + places)
    return table([''] + [title for title, _ in columns], lines)


def place_cell(rows, field, contestants):
    """'1 of 5', '1 to 3 of 5' where it cannot be told from two. Who was given up on
    after few rounds, because it was cut, is behind Quire where that was not."""
    if 'quire' not in contestants:
        return ''
    ratios = []
    for name in contestants:
        ratio = ratio_of(rows, name, 'quire', field) if name != 'quire' else None
        if ratio and not ratio.is_known() and rows.of(contestant=name).cut() and not rows.of(contestant='quire').cut():
            ratio = figures.Ratio(0, 0, 0)
        ratios += [ratio] if ratio else []
    found = figures.place(ratios)
    if not found:
        return ''
    first, last, count = found
    return f'{first} of {count}' if first == last else f'{first} to {last} of {count}'


def ratio_table(columns, field, contestants):
    """How many times as fast as Quire the others are."""
    return table([''] + [title for title, _ in columns],
                 [[bold(name)] + [figures.ratio_text(ratio_of(rows, name, 'quire', field)) for _, rows in columns]
                  for name in contestants if name != 'quire'])


def epoch_columns(rows, experiments):
    columns = []
    for experiment in experiments:
        for readers in rows.of(experiment=experiment).distinct('readers'):
            title = f'{CACHE_BEFORE[experiment]}, {readers} reader' + ('s' if readers > 1 else '')
            columns.append((title, rows.of(experiment=experiment, readers=readers)))
    return columns


def cpu_per_gb(rows):
    """CPU seconds of readers and daemon for a gigabyte that was read; nothing where those of a daemon are not known."""
    return [(row['reader_cpu_seconds'] + (row['daemon_cpu_seconds'] or 0)) / (row['bytes'] / 1e9) for row in rows.rows
            if row.get('bytes') and (row['daemon_cpu_seconds'] is not None or row.get('contestant') not in WITH_DAEMON)]


def daemon_cpu_per_gb(rows):
    """Of the daemon alone; nothing where there is none."""
    return [row['daemon_cpu_seconds'] / (row['bytes'] / 1e9)
            for row in rows.rows if row.get('bytes') and row['daemon_cpu_seconds'] is not None]


def disk_shares(rows, field='disk_bytes'):
    """Bytes from the disk for each byte that was read: sizes of the data set, even where the epoch was cut."""
    return [row[field] / row['bytes'] for row in rows.rows if row.get('bytes') and row.get(field) is not None]


def asked_shares(rows):
    """The same of what readers and daemon alone had from the disk."""
    return disk_shares(rows, 'asked_bytes')


def absent_share(rows):
    """Bytes from the disk for each byte of samples that were in nobody's memory; None where no mount counts them."""
    pairs = [(row['disk_bytes'], row['counters']['missed_bytes']) for row in rows.rows
             if row.get('counters') and row['disk_bytes'] is not None]
    return figures.median(disk_bytes / absent_bytes for disk_bytes, absent_bytes in pairs if absent_bytes)


def detail_table(title, rows, field, unit):
    """All about one column of the rates."""
    latency = lambda part: lambda one: one.by_round(f'latency_{part}_seconds').values()
    parts = [(f'{title}: {unit}', lambda one: one.by_round(field).values(), figures.short),
             *((f'fio at the {moment.split("_")[1]} of its round', lambda one, moment=moment: fio_rates(one, field, moment),
                figures.short) for moment in FIO_MOMENTS),
             ('its drift', fio_drifts, figures.three_digits), ('share of fio', fio_shares, figures.three_digits),
             ('disk bytes/byte', disk_shares, figures.three_digits),
             ('its own', asked_shares, figures.three_digits), ('p50', latency('p50'), figures.duration),
             ('p99', latency('p99'), figures.duration), ('p99.9', latency('p999'), figures.duration),
             ('CPU s/GB', cpu_per_gb, figures.three_digits), ('daemon CPU s/GB', daemon_cpu_per_gb, figures.three_digits)]
    return spread_table(parts, rows)


def spread_table(parts, rows):
    """`parts`: the title of each column, what it takes of a contestant's rows, and how that is written. Columns of which nobody
    has figures are left out."""
    names = rows.contestants()
    columns = [(title, cells) for title, values, form in parts
               if any(cells := [figures.with_spread(values(rows.of(contestant=name)), form) for name in names])]
    return table([''] + [title for title, _ in columns],
                 [list(line) for line in zip(map(bold, names), *(cells for _, cells in columns))])


MESSAGES = ('requests', 'replies', 'notifications')


def messages_per_sample(rows, kinds=MESSAGES):
    """Between kernel and daemon for each file read; None where nothing was."""
    return figures.median(sum(row[kind] for kind in kinds) / row['samples'] for row in rows.rows if row.get('samples'))


def operations_line(rows):
    """What the requests of the first round ask for: 'lookup 1.00, read 0.98'."""
    shares = {name: count / row['samples'] for row in rows.rows[:1] if row.get('samples')
              for name, count in row['operations'].items()}
    return ', '.join(f'{name} {share:.2f}' for name, share in sorted(shares.items(), key=lambda pair: -pair[1]) if share >= 0.005)


def messages_section(rows):
    caches = ('warm', 'cold')
    cells = lambda one: [messages_per_sample(one)] + [messages_per_sample(one, (kind,)) for kind in MESSAGES]
    lines = [[bold(name), *(f'{cell:.3f}' if cell is not None else '' for cache in caches
                            for cell in cells(rows.of(contestant=name, cache=cache)))] for name in rows.contestants()]
    operations = [f'{TITLE_OF[name]}, {cache}: {operations_line(one)}.' for name in rows.contestants() for cache in caches
                  if operations_line(one := rows.of(contestant=name, cache=cache))]
    header = [f'{cache}{title}' for cache in caches for title in (': all', *(f', {kind}' for kind in MESSAGES))]
    return ['Messages between kernel and daemon for each file read, in random order by one reader: requests that the daemon read'
            ' from /dev/fuse, replies and notifications that it wrote there. Warm: after a whole epoch; cold: after a list by'
            ' readdir, which does not count. Counted by strace, which slows the daemon down, so that what it does ahead of its'
            ' readers may come out less.\n', table([''] + header, lines),
            *(f'{TITLE_OF[row["contestant"]]}: {row["too_slow"]}.\n' for row in rows.rows if 'too_slow' in row),
            *(['Requests for each file. ' + ' '.join(operations) + '\n'] if operations else [])]


def imagefolder_section(rows):
    parts = rows.distinct('part')
    given_up = [row for row in rows.rows if 'too_slow' in row]
    columns = [(part, Rows(rows.of(part=part).rows + given_up)) for part in parts]
    workers = rows.distinct('readers')[0]
    names = rows.contestants()
    seconds = lambda name, part: rows.of(contestant=name, part=part).median('seconds')
    cell = lambda value: '' if value is None else f'{value:.2f}'
    lines = [[bold(name), *(cell(seconds(name, part)) for part in parts)] for name in names]
    return [f'torchvision, cold: making an ImageFolder, which lists the images, then an epoch of a shuffling DataLoader with'
            f' {workers} worker processes, which read and decode them. Images/s (in brackets: times those of the directory'
            ' itself).\n',
            rate_table(columns, 'samples_per_second', 'directory', names),
            'Wall time in seconds.\n', table([''] + parts, lines)]


def disk_line(rows):
    parts = []
    for access in rows.distinct('access'):
        one = rows.of(access=access)
        parts.append(f'{access}: {one.median("bytes_per_second") / 1e6:.0f} MB/s, {figures.short(one.median("reads_per_second"))}'
                     ' reads/s')
    return "The disk's limit (fio, O_DIRECT, 32 at a time where nothing else is said): " + '; '.join(parts) + '.\n'


def epoch_section(columns, order, listed):
    contestants = Rows([row for _, column in columns for row in column.rows]).contestants()
    by_bytes = order == 'path'  # what counts is how near it comes to the disk
    field, unit = ('bytes_per_second', 'bytes/s') if by_bytes else ('samples_per_second', 'files/s')
    parts = [f'{unit.capitalize()}, read in {order} order (in brackets: times those of the directory itself). {listed}\n',
             rate_table(columns, field, 'directory', contestants)]
    if 'quire' in contestants and len(contestants) > 1:
        parts += ['Times as fast as Quire.\n', ratio_table(columns, field, contestants)]
    parts += ['The same with what it costs, and in brackets the least and the greatest of the rounds: bytes from below for'
              ' each byte of a file (as `quire bench` counts them; its own: by readers and daemon, with programs and lists, but not'
              ' by the kernel below a loop device), time for one file, CPU seconds of readers and daemon (not of kernel threads) for each'
              ' GB, those of the daemon alone. fio reads a copy of the pack at the start, in the middle and at the end of each round, from its start, O_DIRECT,'
              ' 8 blocks at a time; its drift: the fastest of these times the slowest.\n']
    return parts + [detail_table(title, column, field, unit) for title, column in columns]


def meta_section(rows):
    given_up = [row for row in rows.rows if 'too_slow' in row]
    columns = [(f'{operation}, {before}', Rows(rows.of(operation=operation, prepared=before).rows + given_up))
               for operation, before in META_COLUMNS]
    return ['Names: entries/s, one thread (in brackets: times those of the directory itself).\n',
            rate_table(columns, 'entries_per_second', 'directory', rows.contestants())]


def absent_section(rows, epochs):
    """Empty where no mount counts them."""
    cells = {name: [absent_share(rows.of(contestant=name, epoch=epoch)) for epoch in epochs] for name in rows.contestants()}
    lines = [[bold(name), *('' if share is None else f'{share:.2f}' for share in shares)] for name, shares in cells.items()
             if any(share is not None for share in shares)]
    return ['Bytes from the disk for each byte of samples that were not in memory, neither in the kernel\'s nor in the mount\'s'
            ' own.\n', table([''] + [f'epoch {epoch}' for epoch in epochs], lines)] if lines else []


ABOUT_MEMORY = {
    'memory': 'Loop devices do direct I/O here: their cache would lie outside the limit.',
    'plan': f'Quire is told the order of each epoch (.quire/plan), and has {PLAN_CACHE_SHARE:.0%} of the memory as its cache.'}


def memory_section(rows, about):
    """For every epoch its rate and what came from the disk, in sizes of the data set."""
    epochs = rows.distinct('epoch')
    lines = []
    for name in rows.contestants():
        line = [bold(name)]
        for epoch in epochs:
            one = rows.of(contestant=name, epoch=epoch)
            line += [rate_cell(rows.of(epoch=epoch), name, 'samples_per_second', 'directory'),
                     *(figures.with_spread(shares(one), '{:.2f}'.format) for shares in (disk_shares, asked_shares))]
        lines.append(line)
    header = ['']
    for epoch in epochs:
        header += [f'epoch {epoch}: files/s', 'from disk', 'its own']
    readers = rows.distinct('readers')[0]
    return [f'Epochs in random order, one after the other in one mount, {readers} readers (in brackets: times those of the '
            'directory itself); what came from the disk, and what of that readers and daemon had themselves, is in sizes of the'
            f' data set. {about}\n', table(header, lines), *absent_section(rows, epochs)]


FEW = {
    'one_class': 'One class alone: all files of one folder, cold, in random order, by one reader.',
    'one_file': 'One file alone, cold, by `cat`.'}


def few_section(rows, about):
    megabytes = '{:.2f}'.format
    parts = [('MB', lambda one: [row['bytes'] / 1e6 for row in one.rows], megabytes),
             ('MB from the disk', lambda one: [row['disk_bytes'] / 1e6 for row in one.rows], megabytes),
             ('disk bytes/byte', disk_shares, figures.three_digits), ('its own', asked_shares, figures.three_digits),
             ('time', lambda one: one.by_round('seconds').values(), figures.duration)]
    return [f'{about} From the disk: all that the machine read, names included, until the mount had come to rest; its own: by'
            ' reader and daemon, but not by the kernel below a loop device. In brackets the least and the greatest of the rounds.\n',
            spread_table(parts, rows)]


def beside_directory(rows, name):
    """How many times as long the neighbour took as beside a directory; of each round."""
    rates = lambda who: rows.of(contestant=who).by_round('neighbour_samples_per_second')  # rates, for it may have been cut
    mine, reference = rates(name), rates('directory')
    return [reference[turn] / mine[turn] for turn in mine if turn in reference]


def neighbour_section(rows):
    parts = ['The neighbour: another program\'s cold epoch over a plain directory of its own, with half as much data, while this'
             ' one makes one; both in random order. Beside the directory itself it is one of two directories.\n']
    for readers in rows.distinct('readers'):
        column = rows.of(readers=readers)
        parts.append(spread_table(
            [(f'{readers} readers each: time of the neighbour', lambda one: one.by_round('neighbour_seconds').values(),
              figures.duration),
             ('times as long as beside the directory', lambda one: beside_directory(column, one.rows[0]['contestant']),
              figures.three_digits),
             ('own time', lambda one: one.by_round('seconds').values(), figures.duration)], column))
    return parts


def memory_follow_section(rows):
    parts = ['Memory of the daemon (resident, with pages of hugetlbfs): before anybody reads, at most during a cold epoch in random'
             ' order, and ten seconds after it.\n']
    for readers in rows.distinct('readers'):
        column = rows.of(readers=readers)
        parts.append(spread_table(
            [(f'{readers} readers: MB {moment}', lambda one, field=field: [row[field] / 1e6 for row in one.rows], '{:.0f}'.format)
             for field, moment in RESIDENT.items()] +
            [('files/s', lambda one: one.by_round('samples_per_second').values(), figures.short)], column))
    return parts


def trials_lines(trials, limit_s):
    if not trials:
        return []
    words = lambda trial: ' '.join(filter(None, [trial['build_options'], trial['options'] and f'-o {trial["options"]}']))
    lines = [f'{TITLE_OF[trial["contestant"]]}: `{words(trial)}`. Tried: ' + '; '.join(Tried(**one).text() for one in trial['tried'])
             + '.\n' for trial in trials]
    return [f'Chosen for this data set, by files/s of {TRIAL_ROUNDS} cold epochs of at most {min(limit_s, TRIAL_LIMIT_S):g} s by'
            f' {TRIAL_READERS} readers, one choice after the other, the best in bold.\n', *lines]


def dataset_section(run, dataset):
    rows, tree = Rows(run['rows']).of(dataset=dataset), run['trees'][dataset]
    scale = f' (scale {run["scale"]:g})' if run['scale'] != 1 else ''
    memory = f'; {tree["memory_bytes"] >> 20:,} MiB of memory for readers, daemons and page cache' if run['memory'] else ''
    parts = [f'### {dataset}: {TITLES[dataset]}\n', f'{tree["files"]:,} files, {tree["bytes"] / 1e9:.2f} GB{scale}{memory}.\n']
    parts += trials_lines([trial for trial in run.get('trials', []) if trial['dataset'] == dataset], run['limit_seconds'])
    for order, experiments in ((tree['order'], ('cold', 'warm')), (tree['order'], ('cold_walk',)), ('path', ('cold_path',))):
        if columns := epoch_columns(rows, experiments):
            parts += epoch_section(columns, order, LISTED_BY[experiments[0]])
    if (meta := rows.of(experiment='meta')).rows:
        parts += meta_section(meta)
    for experiment, about in ABOUT_MEMORY.items():
        if (memory := rows.of(experiment=experiment, too_slow=None)).rows:
            parts += memory_section(memory, about)
    for experiment, about in FEW.items():
        if (few := rows.of(experiment=experiment, too_slow=None)).rows:
            parts += few_section(few, about)
    for experiment, section in (('neighbour', neighbour_section), ('memory_follow', memory_follow_section)):
        if (found := rows.of(experiment=experiment, too_slow=None)).rows:
            parts += section(found)
    for experiment, section in (('imagefolder', imagefolder_section), ('messages', messages_section)):
        if (found := rows.of(experiment=experiment)).rows:
            parts += section(found)
    if (disk := rows.of(experiment='disk')).rows:
        parts.append(disk_line(disk))
    return parts


def run_title(run):
    if run['memory']:
        share = run['memory'].lower().removesuffix('x')
        return f'With {run["memory"]} of memory' if share == run['memory'].lower() else f'With memory for {share} of the data'
    if run['slow']:
        return f'On a disk of {run["slow"][0] / 1e6:.0f} MB/s and {run["slow"][1]:,} reads/s'
    return 'With the whole machine'


def rounds_text(rounds):
    if rounds == 1:
        return 'One round.'
    return (f'Medians of {rounds} rounds. Ratios are taken within a round; in square brackets what they may be, in 19 of 20 cases,'
            f' and what holds 1 is a tie. {figures.LEAST_ROUNDS} rounds are the fewest that tell: "?" stands where there are less.')


def run_section(run):
    machine = run['machine']
    parts = [f'## {run_title(run)}\n',
             f'{run["date"]}, `{run["command"]}`; {machine["processor"]}, {machine["cores"]} cores, '
             f'{machine["memory_bytes"] / (1 << 30):.0f} GiB, {machine["file_system"]} on {machine["device"]}, '
             f'{machine["kernel"]}, {machine["distribution"]}, {run["quire"]}. {rounds_text(run["rounds"])} "cut": the epoch was ended after '
             f'{run["limit_seconds"]:g} s, and the figures are of what was read; it is compared over the samples that both came to. "not cold":'
             ' caches served some of it, and such rounds are compared with nothing.' +
             (f' fio reads {run["fio_block"]} at a time.\n' if run.get('fio_block') else '\n')]
    for name, reason in run['left_out'].items():
        parts.append(f'Left out: {TITLE_OF[name]}: {reason}.\n')
    for dataset in run['trees']:
        parts += dataset_section(run, dataset)
    return parts


def contestants_section(runs):
    versions = {package: version for run in runs for package, version in run['versions'].items() if version}
    lines = []
    for contestant in CONTESTANTS:
        chosen = lambda of_mount: any(choice.of_mount == of_mount for choice in contestant.choices)
        build = f'`{for_people(BUILD[contestant.image])}{" CHOSEN" if chosen(False) else ""}`' if contestant.image else ''
        options = f' -o {contestant.options}' if contestant.options else ' [-o CHOSEN]' if chosen(True) else ''
        mount = f'`{for_people(contestant.mount)}{options}`' if contestant.mount else ''
        if contestant.loop:
            mount = '`losetup --find --show --read-only --direct-io=off IMAGE`, then ' + mount.replace('IMAGE', 'LOOP')
        packages = ', '.join(f'{package} {versions[package]}'
                             for package in (*contestant.packages, f'{contestant.newer} of Debian testing') if package in versions)
        lines.append([contestant.title, packages, build, mount, contestant.best_mode])
    return ['## Who is compared\n', table(['', 'packages', 'image', 'mount', 'why so'], lines).replace('---:', '---')]


def page(runs):
    """RESULTS.md. `runs`: the outcomes of one or more runs."""
    parts = ['# Quire and its peers\n',
             'Written by `tests/bench/peers --write`, which tells how each figure is measured; do not edit. To measure again:'
             ' `tests/bench/peers --write`, as root.\n']
    for run in runs:
        parts += run_section(run)
    return '\n'.join(parts + contestants_section(runs))


def chart(runs):
    """What draw_chart draws; None when no run has the figures."""
    for run in runs:
        rows = Rows(run['rows']).of(dataset=CHART_DATASET, readers=CHART_READERS)
        names = rows.contestants()
        if names and not run['memory'] and not run['slow']:
            measured = {experiment: [rows.of(contestant=name, experiment=experiment).median('samples_per_second') for name in names]
                        for experiment in ('cold', 'warm')}
            return {'kind': 'bars', 'title': 'Files read in a second',
                    'note': f'{TITLES[CHART_DATASET]}, in random order, {CHART_READERS} readers, {run["machine"]["cores"]} cores',
                    'y': {'label': 'files/s, logarithmic', 'scale': 'log10', 'unit': 'per_second'},
                    'categories': [TITLE_OF[name] for name in names],
                    'series': [{'name': experiment, 'values': rates} for experiment, rates in measured.items() if any(rates)]}
    return None


def draw(description):
    """The chart as SVG."""
    program = os.path.join(os.path.dirname(QUIRE), 'draw_chart')
    return subprocess.run([program], input=json.dumps(description), check=True, stdout=subprocess.PIPE, text=True).stdout
