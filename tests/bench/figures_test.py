#!/usr/bin/python3
"""Goal: the arithmetic of the comparison says what was measured: medians, ratios within a round, places, time left, and the
cells that RESULTS.md shows."""
import os
import sys
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import figures
import results


def epoch(contestant, turn, rate, **more):
    return {'contestant': contestant, 'round': turn, 'samples_per_second': rate, **more}


class Figures(unittest.TestCase):
    def test_median_of_an_even_number_lies_between(self):
        self.assertEqual(figures.median([4, 1, 3, 2]), 2.5)

    def test_median_of_nothing_is_none(self):
        self.assertIsNone(figures.median([]))

    def test_a_slow_round_does_not_change_the_ratio(self):
        # The machine was five times slower in round 2; the medians alone would give 60 / 200.
        self.assertEqual(figures.paired_ratio({1: 100, 2: 20}, {1: 200, 2: 40, 3: 400}), 0.5)

    def test_only_rounds_of_both_count(self):
        self.assertEqual(figures.paired_ratio({1: 100, 2: 900}, {1: 50, 3: 1}), 2)
        self.assertIsNone(figures.paired_ratio({1: 100}, {2: 50}))

    def test_a_reference_of_zero_is_no_reference(self):
        self.assertIsNone(figures.paired_ratio({1: 100}, {1: 0}))

    def test_place_counts_who_is_faster(self):
        rates = {'a': 10, 'b': 30, 'c': None, 'd': 20}
        self.assertEqual(figures.rank(rates, 'b'), (1, 3))
        self.assertEqual(figures.rank(rates, 'a'), (3, 3))
        self.assertIsNone(figures.rank(rates, 'c'))

    def test_equals_share_the_better_place(self):
        self.assertEqual(figures.rank({'a': 10, 'b': 10, 'c': 5}, 'b'), (1, 3))

    def test_every_turn_starts_with_another(self):
        self.assertEqual([figures.rotated('abc', turn)[0] for turn in range(4)], ['a', 'b', 'c', 'a'])
        self.assertEqual(figures.rotated('abc', 1), ['b', 'c', 'a'])
        self.assertEqual(figures.rotated([], 1), [])

    def test_cold_small_files_have_all_rounds_and_others_two_of_three(self):
        self.assertEqual([figures.rounds_of('tiny', 'cold', n) for n in (1, 3, 5)], [1, 3, 5])
        self.assertEqual([figures.rounds_of('tiny', 'warm', n) for n in (1, 2, 3, 6)], [1, 1, 2, 3])
        self.assertEqual(figures.rounds_of('large', 'cold', 3), 2)

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
        self.assertEqual(results.rate_cell(rows, 'quire', 'samples_per_second', 'directory'), '5.50k (2.50)')
        self.assertEqual(results.rate_cell(rows, 'directory', 'samples_per_second', 'directory'), '2.00k')

    def test_a_cut_epoch_is_marked(self):
        rows = results.Rows([epoch('archivemount', 1, 24, complete=False)])
        self.assertEqual(results.rate_cell(rows, 'archivemount', 'samples_per_second', 'directory'), '24.0 cut')

    def test_who_gave_no_figure_is_told_from_who_was_not_asked(self):
        rows = results.Rows([{'contestant': 'archivemount', 'round': 1, 'too_slow': 'not done after 60 s'}])
        self.assertEqual(results.rate_cell(rows, 'archivemount', 'samples_per_second', 'directory'), 'too slow')
        self.assertEqual(results.rate_cell(rows, 'lmdb', 'samples_per_second', 'directory'), '')

    def test_cpu_counts_reader_and_daemon_for_each_gigabyte(self):
        rows = results.Rows([{'reader_cpu_seconds': 1, 'daemon_cpu_seconds': 2, 'bytes': 500_000_000},
                             {'reader_cpu_seconds': 1, 'daemon_cpu_seconds': None, 'bytes': 1_000_000_000}])
        self.assertAlmostEqual(results.cpu_per_gb(rows), (6 + 1) / 2)


if __name__ == '__main__':
    unittest.main()
