# SPDX-License-Identifier: Apache-2.0
"""What is best for a contestant on one data set, tried and not assumed: one choice after the other, each among all its
alternatives with what was chosen before."""
from dataclasses import dataclass, replace

import figures

TRIAL_ROUNDS = 3    # of each alternative, in turn; the median counts, so that one that was disturbed does no harm
TRIAL_LIMIT_S = 5    # of an epoch: a choice is worth less time than a figure
TRIAL_READERS = 2


class NoGood(Exception):
    """An alternative cannot be had, built, mounted or read here."""


@dataclass(frozen=True)
class Tried:
    """An alternative and what it came to: rates, or the reason why there are none."""
    words: str
    rates: list
    reason: str = ''
    chosen: bool = False

    def text(self):
        name = f'`{self.words}`' if self.words else 'without'
        short_reason = ': '.join(self.reason.split(': ')[:2])  # 'mount: exit status 32', of all that mount says
        return (f'**{name}**' if self.chosen else name) + ' ' + (short_reason or figures.with_spread(self.rates, figures.short))


def choose(contestant, rate_of, keep_only):
    """The contestant with the best of each of its choices, and all that was tried. `rate_of(candidate, turn)` measures one, or
    raises NoGood, which goes on to the caller where no alternative of a choice is any good. `keep_only(chosen)` is called after
    each choice: the images of the others need not stay."""
    everything = []
    for choice in contestant.choices:
        candidates = {words: with_words(contestant, choice, words) for words in choice.alternatives}
        tried = try_all(candidates, rate_of)
        best = max((one for one in tried if one.rates), key=lambda one: figures.median(one.rates), default=None)
        if best is None:
            raise NoGood(tried[0].reason)
        contestant = candidates[best.words]
        keep_only(contestant)
        everything += [replace(one, chosen=one is best) for one in tried]
    return contestant, everything


def with_words(contestant, choice, words):
    field = 'options' if choice.of_mount else 'build_options'
    separator = ',' if choice.of_mount else ' '
    return replace(contestant, **{field: separator.join(filter(None, [getattr(contestant, field), words]))})


def try_all(candidates, rate_of):
    rates, reasons = {words: [] for words in candidates}, {}
    for turn in range(TRIAL_ROUNDS):
        for words in figures.round_order(candidates, turn):
            if words not in reasons:
                try:
                    rates[words].append(rate_of(candidates[words], turn))
                except NoGood as error:
                    reasons[words], rates[words] = str(error), []
    return [Tried(words, rates[words], reasons.get(words, '')) for words in candidates]


def nominal_seconds(contestant, files, data_bytes, limit_s):
    """Of building and reading: 100 us for each file and 200 MB/s to build it."""
    built = {words for choice in contestant.choices if not choice.of_mount for words in choice.alternatives}
    epochs = TRIAL_ROUNDS * sum(len(choice.alternatives) for choice in contestant.choices)
    return len(built) * (files * 100e-6 + data_bytes / 200e6) + figures.nominal_seconds(
        files, data_bytes, epochs, min(limit_s, TRIAL_LIMIT_S), 1.5 * epochs)
