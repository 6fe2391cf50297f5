# SPDX-License-Identifier: Apache-2.0
"""RESULTS-remote.md from what runs of `remote` wrote with --json."""
import figures
from far_mounts import PEERS
from results import Rows, rounds_text, table

GOALS = {
    'objects': '50 times the rate of the mounts of single objects',
    'images': '0.9 times the rate of curl',
    'tier': '0.95 times the rate of the local pack',
    'shared': '1.02 times the pack from the server',
    'nodes': '1.3 times the pack from the server',
    'find': '10 s',
}
TITLES = {
    'objects': '20,000 files of 3 KB, beside what else mounts them',
    'images': '10,000 images of 110 KB, beside curl',
    'tier': 'The second epoch, from a tier',
    'shared': 'Three epochs by four mounts of one tier',
    'nodes': 'An epoch by eight nodes that ask each other first',
    'find': '`find -size +1M` over 1,000,000 entries',
}
PEER_OF = {peer.name: peer for peer in PEERS}


def in_short(row):
    """For the progress line."""
    rate = f', {row["samples"]:,} files{"" if row["complete"] else " (cut)"}' if 'samples' in row else ''
    sent = f', {row["sent_bytes"] / 1e6:,.0f} MB sent' if 'sent_bytes' in row else ''
    return f'{row["seconds"]:.2f} s{rate}{sent}, load {row["load"]:.1f}'


def title_of(name):
    return PEER_OF[name].title if name in PEER_OF else name.replace('quire', '**Quire**', 1) if name.startswith('quire') else name


def spread(values, form=figures.three_digits):
    return figures.with_spread(values, form)


def field(rows, name):
    return [row[name] for row in rows.rows if row.get(name) is not None]


def names_of(rows):
    return list(dict.fromkeys(row['contestant'] for row in rows.rows))


def by_round(rows, value):
    return {row['round']: value(row) for row in rows.rows}


def ratio(rows, mine, other, value):
    return figures.paired_ratio(by_round(rows.of(contestant=mine), value), by_round(rows.of(contestant=other), value))


def rate(row):
    return row['samples'] / row['seconds']


def whole_seconds(files):
    """Of a list and an epoch of all files, at the rate that a cut epoch had."""
    return lambda row: row['list_seconds'] + files / rate(row)


def objects_section(rows, _):
    files = max(row['samples'] for row in rows.rows if row['complete'])
    lines = []
    for name in names_of(rows):
        mine = rows.of(contestant=name)
        quire_to = lambda value, turned=False, name=name: figures.ratio_text(
            ratio(rows, *((name, 'quire') if turned else ('quire', name)), value)) if name != 'quire' else ''
        lines.append([title_of(name), spread(map(rate, mine.rows), figures.short) + (' cut' if mine.cut() else ''), quire_to(rate),
                      spread(field(mine, 'list_seconds')), spread(map(whole_seconds(files), mine.rows)),
                      quire_to(whole_seconds(files), turned=True), spread(field(mine, 'latency_p50_seconds'), figures.duration)])
    return [table(['', 'files/s', 'Quire is so many times as fast', 'list before, s', 'list and epoch, s',
                   'Quire is so many times as fast', 'p50 of a file'], lines),
            'An epoch that was cut is taken to go on at its rate: its files are drawn at random. The list is by readdir alone; peers that'
            ' need attributes for it ask for them meanwhile.\n']


def remote_field(row, name):
    return row.get('remote', {}).get(name)


def images_section(rows, facts):
    parts = []
    size = facts['images']['pack_bytes']
    for link in names_of_links(rows):
        on_link = rows.of(link=link)
        lines = []
        for name in names_of(on_link):
            mine = on_link.of(contestant=name)
            other = 'curl' + (', https' if name.endswith(', https') else '')
            seconds = lambda row: row['seconds']
            lines.append([title_of(name), spread([size / row['seconds'] / 1e6 for row in mine.rows]),
                          figures.ratio_text(ratio(on_link, other, name, seconds)) if name != other else '',
                          *(spread([remote_field(row, key) for row in mine.rows]) for key in ('requests', 'hedged', 'window')),
                          spread(field(mine, 'mount_seconds')), spread(field(mine, 'list_seconds'))])
        parts += [f'### {link}\n', table(['', 'MB/s', 'times curl', 'requests', 'asked twice', 'window at the end', 'mount, s', 'list, s'],
                                         lines)]
    return [f'The pack has {size / 1e9:.2f} GB. curl: 16 processes, each with a range of it, which they throw away. A link without a limit'
            ' carries more than two cores can send, receive and copy: there the cores are what is measured, and an epoch copies each byte'
            ' into the page cache and to its reader as well.\n', *parts]


def names_of_links(rows):
    return list(dict.fromkeys(row['link'] for row in rows.rows))


def tier_section(rows, facts):
    lines = []
    for name in names_of(rows):
        mine = rows.of(contestant=name)
        local = name.replace(', tier', ', local')
        lines.append([title_of(name), spread([rate(row) for row in mine.rows], figures.short),
                      figures.ratio_text(ratio(rows, name, local, rate)) if name.endswith(', tier') else '',
                      spread(field(mine, 'mount_seconds')), spread([row['disk_bytes'] for row in mine.rows], figures.short)])
    return [table(['', 'files/s', 'times the local pack', 'mount, s', 'bytes from the disk'], lines),
            f'The server sent {facts["tier"]["sent_bytes"] / 1e6:.1f} MB for all rounds after the first epoch.\n']


def shared_section(rows, facts):
    size = facts['images']['pack_bytes']
    return [table(['', 'times the pack from the server', 'seconds'],
                  [[title_of(name), spread([row['sent_bytes'] / size for row in rows.of(contestant=name).rows], lambda share: f'{share:.4f}'),
                    spread(field(rows.of(contestant=name), 'seconds'))] for name in names_of(rows)])]


def find_section(rows, _):
    return [table(['', 'seconds, mount included', 'of these the mount'],
                  [[title_of(name), *(spread(field(rows.of(contestant=name), key)) for key in ('seconds', 'mount_seconds'))]
                   for name in names_of(rows)])]


SECTIONS = {'objects': objects_section, 'images': images_section, 'tier': tier_section, 'shared': shared_section, 'nodes': shared_section,
            'find': find_section}


def experiment_section(run, experiment):
    rows = Rows(run['rows']).of(experiment=experiment)
    if not rows.rows:
        return []
    loads = [row['load'] for row in rows.rows]
    links = '; '.join(names_of_links(rows))
    return [f'## {TITLES[experiment]}\n',
            f'Round trip {links}. Asked: {GOALS[experiment]}. Load average (1 min) before each measurement: {min(loads):.1f} to {max(loads):.1f}.\n',
            *SECTIONS[experiment](rows, run['facts'])]


def run_sections(run):
    machine = run['machine']
    scale = f' Scale {run["scale"]:g}: fewer files than the titles say.' if run['scale'] != 1 else ''
    programs = '; '.join(f'{name}: {version}' for name, version in run['programs'].items())
    parts = [f'{machine["date"]}, `{run["command"]}`; {machine["processor"]}, {machine["cores"]} cores, '
             f'{machine["memory_bytes"] / (1 << 30):.0f} GiB, {machine["file_system"]} on {machine["device"]}, {machine["kernel"]}, '
             f'{machine["distribution"]}; {programs}. Link: {run["link"]}. {rounds_text(run["rounds"])} Medians, and in brackets the least and'
             f' the greatest. Client, server and link share the cores.{scale}\n']
    for experiment in SECTIONS:
        parts += experiment_section(run, experiment)
    return parts + [f'Left out: {name}: {reason}.\n' for name, reason in run['left_out'].items()]


def page(runs):
    parts = ['# Packs far away\n',
             'Written by `tests/bench/remote --write`, which tells how each figure is measured; do not edit. To measure again:'
             ' `tests/bench/remote --write`, as root.\n']
    for run in runs:
        parts += run_sections(run)
    if any(row['contestant'] in PEER_OF for run in runs for row in run['rows']):
        parts += ['## How each is mounted\n', table(['', ''], [[peer.title, peer.best_mode] for peer in PEERS])]
    return '\n'.join(parts)
