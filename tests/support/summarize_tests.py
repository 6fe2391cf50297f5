#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up ctest's reports: the output of what failed, the reason of each skip, and 'N passed, N failed' as last line.

    summarize_tests.py NAME=REPORT.xml[,AGAIN.xml]...      exit status 1 if a test failed, or if there was none

AGAIN, where it is there, tells of the second try of those that failed. One that passed then counts as passed; what it printed when it
failed is shown all the same.
"""
import os
import sys
import xml.etree.ElementTree

SHOWN_LINES = 100  # of a failed test's output, from the end


def cases(path):
    return xml.etree.ElementTree.parse(path).getroot().iter('testcase')


def main(reports):
    passed, failed, skipped = 0, 0, 0
    for report in reports:
        name, paths = report.split('=', 1)
        path, _, again = paths.partition(',')
        passed_again = {test.get('name') for test in cases(again) if test.get('status') == 'run'} if os.path.exists(again) else set()
        for test in cases(path):
            title = f'{name}: {test.get("name")}'
            output = (test.findtext('system-out') or '').rstrip().splitlines()
            if test.get('status') == 'run':
                passed += 1
                for line in output:  # parts of a test that could not run here
                    if line.startswith('left out: '):
                        print(f'{title}: {line}')
            elif test.find('skipped') is not None and any('SKIPPED' in line or 'Skipped' in line for line in output):
                skipped += 1
                reasons = [line for line in output if line.startswith('SKIPPED: ')] or output[-5:]
                print(f'{title}: {" ".join(reasons)}')
            elif test.get('status') == 'disabled':
                skipped += 1
                print(f'{title}: disabled')
            else:  # failed, timed out, crashed, or could not be started
                is_passed = test.get('name') in passed_again
                passed += is_passed
                failed += not is_passed
                reason = next((element.get('message') for element in test if element.tag in ('failure', 'error', 'skipped')), '')
                heading = 'PASSED AT THE SECOND TRY, FAILED FIRST' if is_passed else 'FAILED'
                print(f'\n--- {heading} {title} ({reason})', *output[-SHOWN_LINES:], sep='\n')
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
