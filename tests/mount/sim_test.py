#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: `quire sim` gives a textbook's figures, by text, drawing, chart and JSON, and refuses what makes no sense."""
import json
import xml.etree.ElementTree

import pytest

ANOMALOUS = '1 2 3 4 1 2 5 1 2 3 4 5'


def sim(quire, *words, **how):
    return json.loads(quire('sim', *words, '--json', **how).out)


def hits(quire, references, policies, *slots):
    found = sim(quire, references, '--policy', policies, '--slots', ','.join(map(str, slots)))
    return {(trial['policy'], trial['slots']): trial['hits'] for trial in found['trials']}


def test_hits_are_those_of_the_textbook(quire):
    assert hits(quire, ANOMALOUS, 'fifo,lru,belady', 3, 4) == {
        ('fifo', 3): 3, ('fifo', 4): 2, ('lru', 3): 2, ('lru', 4): 4, ('belady', 3): 5, ('belady', 4): 6}
    # Silberschatz: 15, 12 and 9 faults of 20.
    assert hits(quire, '70120304230321201701', 'fifo,lru,belady', 3) == {
        ('fifo', 3): 5, ('lru', 3): 8, ('belady', 3): 11}


def test_the_anomaly_is_named(quire):
    assert quire('sim', ANOMALOUS).says(r'^Belady\'s anomaly: fifo has 3 hits with 3 slots, and 2 with 4$')
    assert sim(quire, ANOMALOUS, '--policy', 'fifo')['anomalies'] == [
        {'policy': 'fifo', 'fewer_slots': 3, 'more_slots': 4, 'hits_with_fewer': 3, 'hits_with_more': 2}]
    assert sim(quire, ANOMALOUS, '--policy', 'lru,belady')['anomalies'] == []


def test_slots_are_drawn(quire):
    drawn = quire('sim', ANOMALOUS, '--policy', 'lru', '--slots', '3', '--draw').out
    assert ('lru, 3 slots\n'
            'read      1  2  3  4  1  2  5  1  2  3  4  5\n'
            'slot 1   >1  1  1 >4  4  4 >5  5  5 >3  3  3\n'
            'slot 2      >2  2  2 >1  1  1  1  1  1 >4  4\n'
            'slot 3         >3  3  3 >2  2  2  2  2  2 >5\n'
            'hit                            +  +\n') in drawn


def test_forms_of_a_string_are_one(quire):
    found = [sim(quire, *words)['trials'] for words in ([ANOMALOUS], ANOMALOUS.split(), [ANOMALOUS.replace(' ', ',')],
                                                        [ANOMALOUS.replace(' ', '')])]
    assert found[1:] == found[:1] * 3


def test_costs_are_of_bytes_and_requests(quire):
    trial = sim(quire, ANOMALOUS, '--policy', 'lru', '--slots', '4', '--ns-per-byte', '5', '--ns-per-request', '100')['trials'][0]
    assert (trial['misses'], trial['cost_ns']) == (8, 8 * 5 + 8 * 100)
    assert sim(quire, ANOMALOUS)['trials'][0]['cost_ns'] is None


def test_the_curve_and_the_advice_agree(quire):
    found = sim(quire, ANOMALOUS)
    assert [round(point['miss_ratio'] * 12) for point in found['lru_curve']] == [12, 12, 10, 8, 5]
    assert found['advice'] == {'slots': 5, 'cache_size_bytes': None, 'hit_ratio': pytest.approx(7 / 12), 'all_slots': 5,
                               'best_hit_ratio': pytest.approx(7 / 12)}
    assert quire('sim', 'abc').says('No page is read again')


def test_a_chart_has_a_line_for_each_policy(scratch, quire):
    quire('sim', ANOMALOUS, '--policy', 'fifo,belady', '--svg', scratch / 'chart.svg')
    text = (scratch / 'chart.svg').read_text()
    assert xml.etree.ElementTree.fromstring(text).tag.endswith('svg')
    for name in ('lru, every size', 'fifo', 'belady'):
        assert name in text


@pytest.mark.parametrize('words, said', [
    (['/no/such.trace'], 'neither a trace that is there nor a reference string'),
    (['1 2 3', '--slots', '0'], 'give numbers from 1'),
    (['1 2 3', '--slots', '2x'], 'give numbers from 1'),
    (['1 2 3', '--policy', 'mru'], 'there are fifo, lru'),
    (['1 2 3', '--ns-per-byte', '-1'], 'ns-per-byte'),
    ([], 'TRACE'),
    (['1 2 3', '--draw', '--slots', '65'], 'at most 64'),
])
def test_what_makes_no_sense_is_refused(quire, words, said):
    assert quire('sim', *words, status=2).says(said)


def test_a_file_that_is_no_trace_is_an_error(scratch, quire):
    (scratch / 'text').write_text('no trace\n')
    assert quire('sim', scratch / 'text', status=1).says('no trace of Quire')
    assert quire('trace', 'report', scratch / 'text', status=1).says('no trace of Quire')
    (scratch / 'empty').write_text('')
    assert quire('sim', scratch / 'empty', status=1).says('ends before its header')
    assert quire('sim', scratch, status=2).says('no regular file')
