#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the arithmetic of the comparison says what was measured: medians, ratios within a round, places, time left, messages
that strace saw, and the cells that RESULTS.md shows."""
import dataclasses
import importlib.machinery
import importlib.util
import math
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import unittest
import warnings
from unittest import mock

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import contestants
import figures
import results
import trials
from checks import SourceTree, WrongContents, tar_reader
from contestants import CONTESTANTS, Choice, Contestant, build_command, mount_command
from measuring import FIO_MOMENTS, takes_part
from messages import Messages


def epoch(contestant, turn, rate, **more):
    return {'contestant': contestant, 'round': turn, 'samples_per_second': rate, **more}


class Figures(unittest.TestCase):
    def test_median_of_an_even_number_lies_between(self):
        self.assertEqual(figures.median([4, 1, 3, 2]), 2.5)

    def test_median_of_nothing_is_none(self):
        self.assertIsNone(figures.median([]))

    def test_a_slow_round_does_not_change_the_ratio(self):
        # The machine was five times slower in round 2; the medians alone would give 60 / 200.
        self.assertAlmostEqual(figures.paired_ratio({1: 100, 2: 20}, {1: 200, 2: 40, 3: 400}).middle, 0.5)

    def test_only_rounds_of_both_count(self):
        self.assertAlmostEqual(figures.paired_ratio({1: 100, 2: 900}, {1: 50, 3: 1}).middle, 2)
        self.assertIsNone(figures.paired_ratio({1: 100}, {2: 50}))

    def test_a_reference_of_zero_is_no_reference(self):
        self.assertIsNone(figures.paired_ratio({1: 100}, {1: 0}))

    def test_few_rounds_have_no_interval(self):
        six = {turn: 100 for turn in range(figures.LEAST_ROUNDS - 1)}
        self.assertFalse(figures.paired_ratio(six, six).is_known())
        self.assertEqual(figures.ratio_text(figures.paired_ratio(six, six)), '1.00?')

    def test_noise_is_a_tie_in_nineteen_of_twenty_cases(self):
        draw = random.Random(1)
        noise = lambda rate: {turn: rate * math.exp(draw.gauss(0, 0.3)) for turn in range(figures.LEAST_ROUNDS)}
        different = sum(not figures.paired_ratio(noise(100), noise(100)).is_tie() for _ in range(300))
        self.assertLess(different, 30)
        self.assertGreater(different, 3)
        self.assertGreater(figures.paired_ratio(noise(1000), noise(100)).low, 1)

    def test_a_ratio_shows_its_interval(self):
        self.assertEqual(figures.ratio_text(figures.Ratio(2, 1.9, 2.1)), '2.00 [1.90..2.10]')
        self.assertEqual(figures.ratio_text(figures.Ratio(1.02, 0.97, 1.08)), '1.02 [0.97..1.08] tie')
        self.assertEqual(figures.ratio_text(None), '')

    def test_ties_share_places(self):
        faster, tie, slower = figures.Ratio(2, 1.9, 2.1), figures.Ratio(1, 0.9, 1.1), figures.Ratio(0.5, 0.4, 0.6)
        self.assertEqual(figures.place([slower, slower]), (1, 1, 3))
        self.assertEqual(figures.place([faster, tie, slower]), (2, 3, 4))
        self.assertIsNone(figures.place([figures.Ratio(2)]))

    def test_over_the_rounds_each_comes_after_each_other_once(self):
        for count in (4, 6, 10):
            names = [f'n{number}' for number in range(count)]
            pairs = []
            for turn in range(count):
                order = figures.round_order(names, turn)
                self.assertEqual(sorted(order), sorted(names))
                pairs += zip(order, order[1:])
            self.assertEqual(len(set(pairs)), count * (count - 1))
            self.assertEqual(len(pairs), len(set(pairs)))
        self.assertEqual(figures.round_order([], 1), [])

    def test_of_an_odd_number_each_comes_after_several(self):
        pairs = set()
        for turn in range(figures.LEAST_ROUNDS):
            order = figures.round_order('abcde', turn)
            self.assertEqual(sorted(order), list('abcde'))
            pairs |= set(zip(order, order[1:]))
        for name in 'abcde':
            self.assertGreaterEqual(len({before for before, after in pairs if after == name}), 2)

    def test_a_median_has_its_spread_beside_it(self):
        self.assertEqual(figures.with_spread([4, None, 1, 3], figures.short), '3.00 (1.00..4.00)')
        self.assertEqual(figures.with_spread([4], figures.short), '4.00')
        self.assertEqual(figures.with_spread([None], figures.short), '')

    def test_memory_is_a_size_or_a_share_of_the_data(self):
        self.assertEqual([figures.memory_bytes(text, 7) for text in ('3k', '512M', '2G')], [3072, 512 << 20, 2 << 30])
        self.assertEqual([figures.memory_bytes(text, 2_000_000_001) for text in ('0.5x', '2x', '.25X')],
                         [1_000_000_000, 4_000_000_002, 500_000_000])

    def test_a_share_of_little_data_leaves_room_for_the_processes(self):
        self.assertEqual(figures.memory_bytes('0.5x', 1000), 64 << 20)

    def test_what_is_no_size_is_refused(self):
        for text in ('', 'x', '0x', '0.0x', '-1x', 'nanx', '1.5.2x', 'M', '1.5G', '-1G', '512', '1T'):
            with self.assertRaises(ValueError, msg=text):
                figures.memory_bytes(text, 1000)

    def test_a_cache_is_whole_mebibytes_and_never_more_than_its_share(self):
        mebibyte = 1 << 20
        sizes = (mebibyte - 1, mebibyte, 1.9 * mebibyte, 0.65 * 100 * mebibyte)
        self.assertEqual([figures.whole_mebibytes(size) for size in sizes], [0, 1, 1, 65])

    def test_counters_of_an_epoch_are_what_they_grew_by(self):
        self.assertEqual(figures.difference({'hits': 12, 'joined': 3}, {'hits': 5, 'joined': 3}), {'hits': 7, 'joined': 0})

    def test_the_limit_bounds_what_an_epoch_is_expected_to_take(self):
        self.assertAlmostEqual(figures.nominal_seconds(100_000, 0, 2, 15, 1), 1 + 2 * 5)
        self.assertAlmostEqual(figures.nominal_seconds(1_000_000, 0, 2, 15, 1), 1 + 2 * 15)

    def test_time_left_follows_the_pace_so_far(self):
        self.assertEqual(figures.seconds_left([(10, 20), (10, 10)], [10, 30]), 60)
        self.assertEqual(figures.seconds_left([], [10, 30]), 40)

    def test_numbers_have_three_digits(self):
        self.assertEqual([figures.short(n) for n in (0.123, 9.996, 99.96, 999.7, 38_249, 1.5e6, 2.25e9)],
                         ['0.12', '10.0', '100', '1.00k', '38.2k', '1.50M', '2.25G'])

    def test_durations_have_a_unit(self):
        self.assertEqual([figures.duration(s) for s in (0, 4.5e-5, 0.9999e-3, 0.0123, 3.14)],
                         ['0.00 us', '45.0 us', '1.00 ms', '12.3 ms', '3.14 s'])


class Cells(unittest.TestCase):
    def test_a_cell_shows_median_and_paired_ratio(self):
        rows = results.Rows([epoch('directory', 1, 1000), epoch('directory', 2, 3000),
                             epoch('quire', 1, 2000), epoch('quire', 2, 9000)])
        self.assertEqual(results.rate_cell(rows, 'quire', 'samples_per_second', 'directory'), '5.50k (2.45?)')
        self.assertEqual(results.rate_cell(rows, 'directory', 'samples_per_second', 'directory'), '2.00k')

    def test_a_cut_epoch_is_marked(self):
        rows = results.Rows([epoch('archivemount', 1, 24, complete=False)])
        self.assertEqual(results.rate_cell(rows, 'archivemount', 'samples_per_second', 'directory'), '24.0 cut')

    @staticmethod
    def cut_rows(rounds, **more):
        # The directory reads its second half three times as slowly as its first. squashfs is cut after 500 of 1000 samples, when it
        # was half as fast as the directory over these 500; by the rates that are shown it would be as fast.
        directory = {'samples': 1000, 'seconds': 40, 'samples_per_second_of_tenths': [50] * 5 + [50 / 3] * 5, **more}
        squashfs = {'samples': 500, 'seconds': 20, 'samples_per_second_of_tenths': [25] * 10, 'complete': False, **more}
        return results.Rows([epoch('directory', turn, 25, **directory) for turn in range(7)] +
                            [epoch('quire', turn, 50, samples=1000, seconds=20, **more) for turn in range(7)] +
                            [epoch('squashfs', turn, 25, **squashfs) for turn in range(rounds)])

    def test_what_was_cut_is_compared_over_what_both_read(self):
        rows = self.cut_rows(7)
        self.assertEqual(results.rate_cell(rows, 'squashfs', 'samples_per_second', 'directory'), '25.0 cut (0.50 [0.50..0.50])')
        self.assertEqual(results.rate_cell(rows, 'quire', 'samples_per_second', 'directory'), '50.0 (2.00 [2.00..2.00])')
        self.assertEqual(results.place_cell(rows, 'samples_per_second', ['directory', 'quire', 'squashfs']), '1 of 3')

    def test_who_was_given_up_on_is_behind(self):
        self.assertEqual(results.place_cell(self.cut_rows(1), 'samples_per_second', ['directory', 'quire', 'squashfs']), '1 of 3')

    def test_of_epochs_in_a_row_one_that_was_cut_is_compared_with_nothing(self):
        rows = self.cut_rows(7, experiment='memory')
        self.assertEqual(results.rate_cell(rows, 'squashfs', 'samples_per_second', 'directory'), '25.0 cut')

    def test_a_part_of_an_epoch_takes_its_own_time(self):
        whole = {'samples': 100, 'seconds': 40, 'samples_per_second_of_tenths': [5] * 5 + [5 / 3] * 5}
        self.assertEqual([round(figures.seconds_for(whole, samples), 6) for samples in (0, 25, 50, 75, 100)], [0, 5, 10, 25, 40])
        self.assertEqual(figures.seconds_for({'samples': 40, 'seconds': 10}, 10), 2.5)  # one pace, for want of better

    def test_what_was_to_be_cold_and_was_not_is_said(self):
        rows = results.Rows([epoch('quire', 1, 24, experiment='cold', cache='warm'),
                             epoch('directory', 1, 24, experiment='warm', cache='warm')])
        self.assertEqual(results.rate_cell(rows, 'quire', 'samples_per_second', 'lmdb'), '24.0 not cold')
        self.assertEqual(results.rate_cell(rows, 'directory', 'samples_per_second', 'lmdb'), '24.0')

    def test_what_was_not_cold_is_compared_with_nothing(self):
        rows = results.Rows([epoch(name, turn, rate, experiment='cold', cache='warm' if (name, turn) == ('quire', 2) else 'cold')
                             for turn in (1, 2) for name, rate in (('directory', 100), ('quire', 200 * turn))])
        self.assertEqual(results.rate_cell(rows, 'quire', 'samples_per_second', 'directory'), '300 not cold (2.00?)')
        self.assertIsNone(results.ratio_of(rows.of(round=2), 'quire', 'directory', 'samples_per_second'))

    def test_cpu_of_a_daemon_that_nobody_saw_is_not_zero(self):
        rows = results.Rows([{'contestant': 'quire', 'reader_cpu_seconds': 1, 'daemon_cpu_seconds': None, 'bytes': 1e9},
                             {'contestant': 'directory', 'reader_cpu_seconds': 3, 'daemon_cpu_seconds': None, 'bytes': 1e9}])
        self.assertEqual(results.cpu_per_gb(rows), [3])

    def test_bytes_that_nothing_counted_are_no_zeroes(self):
        self.assertEqual(results.disk_shares(results.Rows([{'disk_bytes': None, 'bytes': 100}])), [])

    def test_who_gave_no_figure_is_told_from_who_was_not_asked(self):
        rows = results.Rows([{'contestant': 'archivemount', 'round': 1, 'too_slow': 'not done after 60 s'}])
        self.assertEqual(results.rate_cell(rows, 'archivemount', 'samples_per_second', 'directory'), 'too slow')
        self.assertEqual(results.rate_cell(rows, 'lmdb', 'samples_per_second', 'directory'), '')

    def test_cpu_counts_reader_and_daemon_for_each_gigabyte(self):
        rows = results.Rows([{'reader_cpu_seconds': 1, 'daemon_cpu_seconds': 2, 'bytes': 500_000_000},
                             {'reader_cpu_seconds': 1, 'daemon_cpu_seconds': None, 'bytes': 1_000_000_000}])
        self.assertEqual(results.cpu_per_gb(rows), [6, 1])

    def test_cpu_of_the_daemon_leaves_readers_out_and_is_nothing_without_daemon(self):
        daemon = {'reader_cpu_seconds': 1, 'daemon_cpu_seconds': 2, 'bytes': 500_000_000}
        none = {'reader_cpu_seconds': 1, 'daemon_cpu_seconds': None, 'bytes': 500_000_000}
        self.assertEqual(results.daemon_cpu_per_gb(results.Rows([daemon, none, {'too_slow': 'as before'}])), [4])

    def test_what_came_from_the_disk_is_related_to_what_was_read(self):
        # Cut after 100 of 1000 bytes: at this pace the whole epoch would read the data set three times.
        self.assertEqual(results.disk_shares(results.Rows([{'disk_bytes': 300, 'bytes': 100, 'complete': False}])), [3])

    def test_bytes_read_for_absent_ones_are_known_only_with_counters(self):
        counters = {'hit_bytes': 500, 'missed_bytes': 500}
        self.assertEqual(results.absent_share(results.Rows([{'disk_bytes': 600, 'counters': counters}])), 1.2)
        self.assertIsNone(results.absent_share(results.Rows([{'disk_bytes': 600}])))
        everything_hit = {**counters, 'missed_bytes': 0}
        self.assertIsNone(results.absent_share(results.Rows([{'disk_bytes': 600, 'counters': everything_hit}])))

    def test_a_table_shows_what_fio_read_in_the_unit_of_the_others(self):
        # 10 bytes a file: fio read 5,000 files' worth in round 1 and 2,000 in round 2, when the disk was slow.
        by_fio = lambda rate: {'fio_bytes_per_second': rate, 'fio_end_bytes_per_second': rate}
        cold = results.Rows([epoch('directory', 1, 1000, bytes_per_second=10_000, **by_fio(40_000)),
                             epoch('directory', 2, 1000, bytes_per_second=10_000, **by_fio(20_000)),
                             epoch('quire', 1, 4000, bytes_per_second=40_000, **by_fio(50_000)),
                             epoch('quire', 2, 1000, bytes_per_second=10_000, **by_fio(20_000))])
        warm = results.Rows([epoch('directory', 1, 9000, bytes_per_second=90_000), epoch('quire', 1, 9000)])
        self.assertEqual(results.fio_rates(cold.of(contestant='quire'), 'samples_per_second', 'fio_end_bytes_per_second'), [5000, 2000])
        self.assertEqual(results.fio_lines([('cold', cold), ('warm', warm)]),
                         [['Quire, times the fio of its round', '0.65 (0.50..0.80)', ''],
                          ['the directory, times the fio of its round', '0.38 (0.25..0.50)', '']])
        self.assertEqual(results.fio_lines([('warm', warm)]), [])

    def test_every_cold_column_tells_what_it_cost(self):
        cost = {'bytes': 1e9, 'asked_bytes': 1.1e9, 'bytes_per_second': 1e9, 'fio_bytes_per_second': 2e9,
                'fio_start_bytes_per_second': 1e9, 'fio_middle_bytes_per_second': None, 'fio_end_bytes_per_second': 3e9,
                'fio_drift': 3, 'latency_p50_seconds': 1e-3, 'latency_p99_seconds': 2e-3, 'latency_p999_seconds': 3e-3,
                'reader_cpu_seconds': 1, 'daemon_cpu_seconds': 0.5}
        rows = results.Rows([epoch('quire', 1, 1000, disk_bytes=1e9, **cost), epoch('quire', 2, 1000, disk_bytes=2e9, **cost)])
        text = results.detail_table('cold', rows, 'samples_per_second', 'files/s')
        self.assertIn('| **Quire, mounted** | 1.00k (1.00k..1.00k) | 1.00k (1.00k..1.00k) | 3.00k (3.00k..3.00k) | 3.00 (3.00..3.00)'
                      ' | 0.50 (0.50..0.50)'
                      ' | 1.50 (1.00..2.00)'
                      ' | 1.10 (1.10..1.10) | 1.00 ms (', text)
        self.assertIn('| 1.50 (1.50..1.50) | 0.50 (0.50..0.50) |\n', text)

    def test_a_few_files_alone_tell_how_much_came_from_the_disk(self):
        rows = results.Rows([{'contestant': 'quire', 'round': 1, 'bytes': 500_000, 'disk_bytes': 2e6,
                              'asked_bytes': 1e6, 'seconds': 0.01}])
        self.assertIn('| **Quire, mounted** | 0.50 | 2.00 | 4.00 | 2.00 | 10.0 ms |\n', '\n'.join(results.few_section(rows, '')))

    def test_a_neighbour_is_compared_with_itself_beside_a_directory_of_the_same_round(self):
        made = lambda name, turn, seconds: epoch(name, turn, 1, readers=2, seconds=3, neighbour_seconds=seconds,
                                                 neighbour_samples_per_second=100 / seconds)
        rows = results.Rows([made('directory', 1, 2), made('directory', 2, 10), made('quire', 1, 1), made('quire', 2, 20)])
        self.assertEqual(results.beside_directory(rows, 'quire'), [0.5, 2])
        self.assertIn('| **Quire, mounted** | 10.5 s (1.00 s..20.0 s) | 1.25 (0.50..2.00) | 3.00 s (3.00 s..3.00 s) |\n',
                      '\n'.join(results.neighbour_section(rows)))

    def test_memory_is_told_before_during_and_after_an_epoch(self):
        rows = results.Rows([epoch('quire', 1, 1000, readers=2, resident_before_bytes=9e6, resident_most_bytes=1e9,
                                   resident_after_bytes=2e7)])
        self.assertIn('| **Quire, mounted** | 9 | 1000 | 20 | 1.00k |\n', '\n'.join(results.memory_follow_section(rows)))
        self.assertEqual(results.in_short(rows.rows), '9 MB before, 1000 MB at most, 20 MB after')

    def test_under_a_limit_of_memory_every_epoch_has_its_cells(self):
        counters = {'missed_bytes': 500}
        made = lambda name, number, rate, **more: epoch(name, 1, rate, epoch=number, readers=2, disk_bytes=600, bytes=1000,
                                                        asked_bytes=500, **more)
        rows = results.Rows([made('directory', 1, 1000), made('directory', 2, 1000),
                             made('quire', 1, 1000, counters=counters), made('quire', 2, 2000, counters=counters)])
        text = '\n'.join(results.memory_section(rows, ''))
        self.assertIn('| the directory itself | 1.00k | 0.60 | 0.50 | 1.00k | 0.60 | 0.50 |\n', text)
        self.assertIn('| **Quire, mounted** | 1.00k (1.00?) | 0.60 | 0.50 | 2.00k (2.00?) | 0.60 | 0.50 |\n', text)
        self.assertIn('| **Quire, mounted** | 1.20 | 1.20 |\n', text)
        self.assertEqual(text.count('| the directory itself |'), 1)  # which counts nothing that was absent

    def test_messages_are_told_for_each_file_read(self):
        def row(cache, requests, notifications, turn=1):
            return {'contestant': 'quire', 'round': turn, 'cache': cache, 'samples': 200, 'requests': requests,
                    'replies': requests, 'notifications': notifications, 'operations': {'lookup': requests - 1, 'read': 1}}
        rows = results.Rows([row('warm', 2, 0), row('cold', 400, 100), row('cold', 200, 100, turn=2)])
        text = '\n'.join(results.messages_section(rows))
        self.assertIn('| **Quire, mounted** | 0.020 | 0.010 | 0.010 | 0.000 | 3.500 | 1.500 | 1.500 | 0.500 |\n', text)
        self.assertIn('Quire, mounted, cold: lookup 2.00, read 0.01.', text)
        self.assertEqual(results.in_short([row('warm', 2, 0), row('cold', 400, 100)]),
                         'warm 0.02 messages a file, cold 4.50 messages a file')

    def test_messages_that_nobody_saw_are_no_zeroes(self):
        rows = results.Rows([{'contestant': 'quire', 'round': 1, 'readers': 1, 'too_slow': 'its messages go another way'}])
        text = '\n'.join(results.messages_section(rows))
        self.assertIn('| **Quire, mounted** |' + '  |' * 8, text)
        self.assertIn('Quire, mounted: its messages go another way.', text)

    def test_nothing_read_has_no_messages_a_file(self):
        nothing = {'cache': 'cold', 'samples': 0, 'requests': 3, 'replies': 3, 'notifications': 0, 'operations': {'read': 3}}
        self.assertIsNone(results.messages_per_sample(results.Rows([nothing])))
        self.assertEqual(results.operations_line(results.Rows([nothing])), '')

    def test_an_imagefolder_has_rates_with_ratios_and_seconds_for_each_part(self):
        made = lambda name, part, seconds: epoch(name, 1, 3000 / seconds, part=part, seconds=seconds, readers=2)
        rows = results.Rows([made('directory', 'ImageFolder', 1.5), made('directory', 'epoch', 12),
                             made('quire', 'ImageFolder', 0.5), made('quire', 'epoch', 4),
                             {'contestant': 'squashfuse_ll', 'round': 1, 'readers': 2, 'too_slow': 'not done after 180 s'}])
        text = '\n'.join(results.imagefolder_section(rows))
        self.assertIn('| **Quire, mounted** | 6.00k (3.00?) | 750 (3.00?) |\n', text)
        self.assertIn('| **Quire, mounted** | 0.50 | 4.00 |\n', text)
        self.assertIn('| squashfuse_ll | too slow | too slow |\n', text)

    def test_the_result_says_which_list_came_before_a_cold_epoch(self):
        rows = results.Rows([epoch('quire', 1, 1000, experiment='cold_walk', readers=2, bytes=1, disk_bytes=1,
                                   reader_cpu_seconds=1, daemon_cpu_seconds=None)])
        columns = results.epoch_columns(rows, ('cold_walk',))
        self.assertEqual([title for title, _ in columns], ['cold, walked, 2 readers'])
        self.assertIn('lstat', results.epoch_section(columns, 'random', results.LISTED_BY['cold_walk'])[0])


def load(program):
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), program)
    spec = importlib.util.spec_from_loader(program, importlib.machinery.SourceFileLoader(program, path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[program] = module
    spec.loader.exec_module(module)
    return module


class TheScratchFolder(unittest.TestCase):
    def test_a_folder_that_is_named_as_a_data_set_survives_the_making_of_that(self):
        with tempfile.TemporaryDirectory() as top:
            os.mkdir(f'{top}/tiny-0.001')
            open(f'{top}/tiny-0.001/mine', 'w').close()
            code = "import trees; trees.remove_tree(trees.make_tree('tiny', 0.001)); trees.remove_if_empty(trees.SCRATCH)"
            subprocess.run([sys.executable, '-B', '-c', code], check=True, stderr=subprocess.DEVNULL,
                           cwd=os.path.dirname(os.path.realpath(__file__)), env={**os.environ, 'QUIRE_BENCH_DIR': top})
            self.assertEqual(os.listdir(top), ['tiny-0.001'])
            self.assertEqual(os.listdir(f'{top}/tiny-0.001'), ['mine'])

    def test_what_is_somebody_elses_stays(self):
        with tempfile.TemporaryDirectory() as scratch:
            for folder in ('mine', 'tiny/000', 'tiny.extracted', 'mnt'):
                os.makedirs(f'{scratch}/{folder}')
            for file in ('mine/file', 'tiny/000/1', 'tiny.complete', 'tiny.out', 'synthetic.quire', 'image.tar'):
                open(f'{scratch}/{file}', 'w').close()
            load('pack_figures').remove_own(scratch)
            self.assertEqual([os.path.relpath(os.path.join(top, name), scratch) for top, _, names in os.walk(scratch)
                              for name in names], ['mine/file'])
            self.assertEqual(os.listdir(scratch), ['mine'])


class WhatIsTried(unittest.TestCase):
    @staticmethod
    def contestant():
        return Contestant('squashfs', 'kernel squashfs', '', image='squashfs', choices=(
            Choice(('-comp none', '-comp lz4')), Choice(('-b 16K', '-b 1M')), Choice(('', 'threads=9'), of_mount=True)))

    def test_each_choice_is_the_best_with_those_before(self):
        # Large blocks are better uncompressed only, and compression is better.
        kept = []
        rates = {'-comp none': 10, '-comp lz4': 20, '-comp lz4 -b 16K': 25, '-comp lz4 -b 1M': 5, '-comp none -b 1M': 99}

        def rate_of(candidate, turn):
            if candidate.options:
                raise trials.NoGood('mount: exit status 32: mount: MNT: wrong option.\n       dmesg(1) may tell')
            return rates[candidate.build_options]
        chosen, tried = trials.choose(self.contestant(), rate_of, lambda chosen: kept.append(chosen.ending()))
        self.assertEqual((chosen.build_options, chosen.options), ('-comp lz4 -b 16K', ''))
        self.assertEqual(kept, ['-complz4.squashfs', '-complz4-b16K.squashfs', '-complz4-b16K.squashfs'])
        self.assertEqual([one.words for one in tried if one.chosen], ['-comp lz4', '-b 16K', ''])
        self.assertEqual(tried[-1].text(), '`threads=9` mount: exit status 32')
        self.assertEqual(tried[1].text(), '**`-comp lz4`** 20.0 (20.0..20.0)')
        text = '\n'.join(results.trials_lines([{'contestant': 'squashfs', 'build_options': chosen.build_options, 'options': '',
                                                'tried': [dataclasses.asdict(one) for one in tried]}], 20))
        self.assertIn('kernel squashfs: `-comp lz4 -b 16K`. Tried: `-comp none` 10.0 (10.0..10.0); **`-comp lz4`**', text)

    def test_where_nothing_mounts_nothing_is_chosen(self):
        def refuse(candidate, turn):
            raise trials.NoGood('no such thing')
        with self.assertRaisesRegex(trials.NoGood, 'no such thing'):
            trials.choose(self.contestant(), refuse, lambda chosen: None)

    def test_alternatives_are_tried_in_turn(self):
        seen = []
        trials.choose(self.contestant(), lambda candidate, turn: seen.append((candidate.build_options, turn)) or 1,
                      lambda chosen: None)
        self.assertEqual([turn for _, turn in seen[:4]], [0, 0, 1, 1])
        self.assertEqual({words for words, _ in seen[:4]}, {'-comp none', '-comp lz4'})


class WhatIsToBeHad(unittest.TestCase):
    MISSING = Contestant('x', 'X', '', programs=('no-such-program',), newer='no-such-package')

    def test_a_program_that_is_missing_is_the_reason(self):
        self.assertEqual(contestants.why_not(self.MISSING), 'there is no no-such-program')
        self.assertEqual(contestants.why_not(dataclasses.replace(self.MISSING, packages=('no-such-package',))),
                         'there is no no-such-program: package no-such-package is not to be had in this release')

    def test_what_debian_testing_lacks_is_left_out_with_its_word(self):
        with tempfile.TemporaryDirectory() as top, mock.patch.object(contestants, 'REPOSITORY', top):
            os.makedirs(f'{top}/tests/bench')
            with open(f'{top}/tests/bench/newer', 'w', opener=lambda path, flags: os.open(path, flags, 0o755)) as program:
                program.write('#!/bin/sh\necho some warning >&2\necho "Debian testing has no package $2: $3" >&2\nexit 1\n')
            with self.assertRaisesRegex(contestants.NotToBeHad, '^Debian testing has no package no-such-package: no-such-program$'):
                contestants.fetch_newer(self.MISSING)

    def test_what_is_there_is_not_fetched(self):
        self.assertEqual(contestants.fetch_newer(dataclasses.replace(self.MISSING, programs=('sh',))), '')
        self.assertEqual(contestants.fetch_newer(dataclasses.replace(self.MISSING, newer='')), '')


class WhatIsServed(unittest.TestCase):
    def test_a_tar_in_another_order_than_its_paths_is_no_stream_of_them(self):
        warnings.simplefilter('ignore', ResourceWarning)  # a reader keeps its archive open until it goes
        with tempfile.TemporaryDirectory() as top:
            for name in ('b/1', 'a/2', 'a.b', 'a/10'):
                os.makedirs(os.path.dirname(f'{top}/tree/{name}'), exist_ok=True)
                open(f'{top}/tree/{name}', 'w').close()
            tree = SourceTree(f'{top}/tree')
            subprocess.run(build_command('tar', tree.path, f'{top}/made.tar'), check=True)
            tar_reader(tree, f'{top}/made.tar')
            with tarfile.open(f'{top}/odd.tar', 'w') as odd:
                for path in reversed(tree.paths):
                    odd.add(f'{top}/tree/{os.fsdecode(path)}', os.fsdecode(path))
            with self.assertRaisesRegex(WrongContents, 'order'):
                tar_reader(tree, f'{top}/odd.tar')


class TheDisksDrift(unittest.TestCase):
    def test_fio_reads_at_start_middle_and_end_of_each_round_and_before_nobody_in_particular(self):
        peers = load('peers')
        happened = []
        rates = iter(range(100, 1000, 100))

        def fio_pass():
            happened.append('fio')
            return next(rates)
        steps = [peers.Step(turn, experiment, (1,), name) for turn in (0, 1) for experiment in ('cold', 'warm') for name in 'abcd']
        drift, rows = peers.Drift(fio_pass), []
        while steps:
            step, *steps = steps
            drift.before(step, steps)
            happened.append(step.contestant)
            rows.append({'experiment': step.experiment})
            drift.of(rows[-1:])
        drift.end()
        self.assertEqual(''.join(happened), 'fioabfiocdfioabcd' * 2)
        self.assertEqual([row.get('fio_bytes_per_second') for row in rows], [200] * 4 + [None] * 4 + [500] * 4 + [None] * 4)
        self.assertEqual(rows[0]['fio_drift'], 3)
        self.assertEqual([rows[0][moment] for moment in FIO_MOMENTS], [100, 200, 300])

    def test_experiments_of_a_round_are_drawn_anew(self):
        peers = load('peers')
        experiments = {'cold': [1, 2], 'cold_path': [1, 2], 'warm': [1], 'meta': [1]}
        steps = peers.plan_steps('tiny', experiments, [c for c in CONTESTANTS if c.name in ('directory', 'quire')], 7)
        orders = [tuple(dict.fromkeys(step.experiment for step in steps if step.turn == turn)) for turn in range(7)]
        self.assertEqual({tuple(sorted(order)) for order in orders}, {('cold', 'cold_path', 'meta', 'warm')})
        self.assertGreater(len(set(orders)), 2)


    def test_of_those_who_take_part_each_comes_after_each_other_once(self):
        steps = load('peers').plan_steps('tiny', {'cold_path': [1]}, CONTESTANTS, 6)
        pairs = [(first.contestant.name, second.contestant.name) for first, second in zip(steps, steps[1:])
                 if first.turn == second.turn]
        self.assertEqual((len(pairs), len(set(pairs))), (6 * 5, 6 * 5))


class WhatStraceSaw(unittest.TestCase):
    DEVICE = '4<\\x2f\\x64\\x65\\x76\\x2f\\x66\\x75\\x73\\x65>'  # 4</dev/fuse>

    def counted(self, *lines):
        messages = Messages()
        for line in lines:
            messages.add(line.replace('FUSE', self.DEVICE) + '\n')
        return messages.requests, messages.replies, messages.notifications, dict(messages.operations)

    @staticmethod
    def header(second, number):
        data = (48).to_bytes(4, 'little') + second.to_bytes(4, 'little') + number.to_bytes(8, 'little')
        return ''.join(f'\\x{byte:02x}' for byte in data)

    def test_requests_are_told_by_operation(self):
        self.assertEqual(self.counted(f'read(FUSE, "{self.header(1, 10)}"..., 1052672) = 48',
                                      f'read(FUSE, "{self.header(15, 12)}"..., 1052672) = 80',
                                      f'readv(FUSE, [{{iov_base="{self.header(15, 14)}"..., iov_len=4096}}], 1) = 80'),
                         (3, 0, 0, {'lookup': 1, 'read': 2}))

    def test_what_bears_no_number_is_a_notification(self):
        write = lambda number: (f'writev(FUSE, [{{iov_base="{self.header(0, number)}", iov_len=16}}, '
                                '{iov_base="\\x00"..., iov_len=128}], 2) = 144')
        self.assertEqual(self.counted(write(10), write(0), write(0), f'write(FUSE, "{self.header(0, 12)}"..., 144) = 144'),
                         (0, 2, 2, {}))

    def test_splice_goes_from_the_device_or_to_it(self):
        pipe = '9<\\x70\\x69\\x70\\x65>'
        self.assertEqual(self.counted(f'splice(FUSE, NULL, {pipe}, NULL, 1052672, 0) = 80',
                                      f'splice({pipe}, NULL, FUSE, NULL, 3016, 0) = 3016'), (1, 1, 0, {'other': 1}))

    def test_other_files_and_calls_without_effect_are_no_messages(self):
        self.assertEqual(self.counted('read(FUSE, 0x7f, 1052672) = -1 EAGAIN (Resource temporarily unavailable)',
                                      'read(FUSE,  <detached ...>', 'read(FUSE, "", 10) = 0', '+++ exited with 0 +++',
                                      f'read(5<\\x2f\\x74>, "{self.header(15, 14)}"..., 80) = 80'), (0, 0, 0, {}))


class WhoTakesPart(unittest.TestCase):
    @staticmethod
    def names(dataset, experiment):
        return [contestant.name for contestant in CONTESTANTS if takes_part(contestant, dataset, experiment)]

    def test_experiments_have_those_that_they_are_about(self):
        main = ['directory', 'quire', 'erofs-file', 'erofs-loop', 'squashfs']
        self.assertEqual(self.names('tiny', 'cold_walk'), main)
        self.assertEqual(self.names('tiny', 'cold_path'), [*main[:2], 'tar', *main[2:]])
        self.assertEqual(self.names('image', 'plan'), ['directory', 'quire-plan', 'erofs-file', 'erofs-loop'])
        self.assertEqual(self.names('fashion', 'imagefolder'), [*main, 'squashfuse_ll'])
        self.assertEqual(self.names('tiny', 'messages'), ['quire'])
        self.assertEqual(self.names('million', 'meta'), ['directory', 'quire'])
        self.assertEqual(self.names('image', 'neighbour'), main)
        self.assertEqual(self.names('image', 'memory_follow'), ['quire'])

    def test_who_is_told_the_order_has_a_cache_by_the_limit_of_memory(self):
        [planned] = [contestant for contestant in CONTESTANTS if contestant.told_order]
        self.assertIn('cache_size=65M', mount_command(planned, 'IMAGE', 'MNT', 100 << 20)[-1])


if __name__ == '__main__':
    unittest.main()
