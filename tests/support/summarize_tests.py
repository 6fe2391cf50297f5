#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up ctest's reports: the output of what failed, the reason of each skip, and 'N passed, N failed' as last line.

    summarize_tests.py NAME=REPORT.xml...      exit status 1 if a test failed, or if there was none
"""
import sys
import xml.etree.ElementTree

SHOWN_LINES = 100  # of a failed test's output, from the end


def main(reports):
    passed, failed, skipped = 0, 0, 0
    for report in reports:
        name, path = report.split('=', 1)
        for test in xml.etree.ElementTree.parse(path).getroot().iter('testcase'):
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
                failed += 1
                reason = next((element.get('message') for element in test if element.tag in ('failure', 'error', 'skipped')), '')
                print(f'\n--- FAILED {title} ({reason})', *output[-SHOWN_LINES:], sep='\n')
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
