#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a real Prometheus reads the metrics of a mount, its alerts say what is wrong, and the dashboard asks for what there is.
Grafana itself is not in Debian: of its dashboard the form and every query are checked here, and not how it looks."""
import http.server
import json
import re
import shutil
import threading
import time
import urllib.parse
import urllib.request

import harness
import pytest
import web

FOLDER = harness.REPOSITORY / 'packaging/grafana'
RULES = FOLDER / 'quire.rules.yml'
DASHBOARD = json.loads((FOLDER / 'quire-dashboard.json').read_text())
PANELS = [panel for panel in DASHBOARD['panels'] if panel['type'] != 'row']


@pytest.fixture(name='promtool')
def find_promtool():
    if not shutil.which('promtool'):
        pytest.skip('there is no promtool: Debian has it in prometheus')
    return lambda *arguments: harness.run('promtool', *arguments)


def serve_figures(at_end, folder):
    """The text of `quire stats --prometheus`, as a server that Prometheus asks."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            body = harness.quire('stats', '--prometheus', folder).stdout
            self.send_response(200)
            self.send_header('Content-Type', 'text/plain; version=0.0.4')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at_end.callback(server.server_close)
    at_end.callback(server.shutdown)
    return server.server_port


class Prometheus:
    """One of the test's own, which reads the figures of a mount twice a second."""

    def __init__(self, at_end, scratch, folder):
        if not shutil.which('prometheus'):
            pytest.skip('there is no prometheus')
        self.port = web.free_port()
        (scratch / 'prometheus.yml').write_text(json.dumps({
            'global': {'scrape_interval': '500ms', 'scrape_timeout': '500ms', 'evaluation_interval': '500ms'},
            'rule_files': [str(RULES)],
            'scrape_configs': [{'job_name': 'quire', 'static_configs': [{'targets': [f'127.0.0.1:{serve_figures(at_end, folder)}']}]}]}))
        with open(scratch / 'prometheus.log', 'wb') as log:
            self.process = harness.start(
                at_end, 'prometheus', f'--config.file={scratch}/prometheus.yml', f'--storage.tsdb.path={scratch}/tsdb',
                f'--web.listen-address=127.0.0.1:{self.port}', stdout=log, stderr=log)
        # It is killed before the folder goes that it writes into.
        at_end.callback(self.process.wait)
        at_end.callback(self.process.kill)
        harness.until(30, lambda: self.ask('query', query='up'), lambda: (scratch / 'prometheus.log').read_text())

    def ask(self, what, **parameters):
        url = f'http://127.0.0.1:{self.port}/api/v1/{what}?' + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=5) as answer:
            document = json.load(answer)
        assert document['status'] == 'success', document
        return document['data']['result'] if what == 'query' else document['data']

    def value(self, query):
        result = self.ask('query', query=query)
        return float(result[0]['value'][1]) if result else None

    def firing(self):
        return {alert['labels']['alertname'] for alert in self.ask('alerts')['alerts'] if alert['state'] == 'firing'}


def test_rules_are_valid_and_say_what_they_should(promtool):
    assert promtool('check', 'rules', RULES).says('9 rules found')
    tests = harness.REPOSITORY / 'tests/packaging/quire.rules.test.yml'
    assert promtool('test', 'rules', tests).says('SUCCESS')
    alerts = set(re.findall(r'- alert: (\w+)', RULES.read_text()))
    assert alerts == set(re.findall(r'alertname: (\w+)', tests.read_text())), 'each alert has a test'


def test_prometheus_reads_a_mount_and_tells_of_damage(at_end, scratch, pack, mount, quire):
    tree = scratch / 'tree'
    tree.mkdir()
    for name in ('good', 'damaged'):
        (tree / name).write_bytes(name.encode() * 1000)
    pack(tree, scratch / 'tree.quire')
    harness.flip(scratch / 'tree.quire', b'damageddamaged')
    shown = mount(scratch / 'tree.quire', 'direct_io', 'admit=extent')
    prometheus = Prometheus(at_end, scratch, shown.folder)
    assert (shown / 'good').read_bytes() == b'good' * 1000
    labels = f'mount_point="{shown.folder}"'
    harness.until(30, lambda: prometheus.value(f'quire_mount_up{{{labels}}}') == 1, 'the mount is seen')
    harness.until(30, lambda: prometheus.value(f'sum(quire_reads_total{{{labels}}})') >= 1, 'the read is seen')
    assert prometheus.value(f'quire_missed_bytes_total{{{labels}}}') == 4000
    time.sleep(2)  # evaluations
    assert prometheus.firing() == set(), 'nothing is wrong yet'
    with pytest.raises(OSError):
        (shown / 'damaged').read_bytes()
    harness.until(30, lambda: prometheus.firing() == {'QuireCorruption', 'QuireRequestsFail'}, lambda: str(prometheus.firing()))
    assert all(rule['health'] == 'ok' for group in prometheus.ask('rules')['groups'] for rule in group['rules'])
    # Every query of the dashboard is one, and most find something in a mount of a local pack.
    answers = {query: prometheus.ask('query', query=as_asked(query)) for query in queries()}
    with_answers = [query for query, answer in answers.items() if answer]
    local = [query for query in answers if not re.search('quire_(remote|tier)', query)]
    assert set(with_answers) == set(local), set(local) ^ set(with_answers)


def queries():
    return [target['expr'] for panel in PANELS for target in panel['targets']]


def as_asked(query):
    """As Grafana sends it."""
    return query.replace('$__rate_interval', '1m').replace('$mount_point', '.*')


def test_the_dashboard_has_the_form_of_one():
    assert DASHBOARD['uid'] and DASHBOARD['title'] and DASHBOARD['schemaVersion'] >= 30
    ids = [panel['id'] for panel in DASHBOARD['panels']]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD['panels']:
        at = panel['gridPos']
        assert at['x'] + at['w'] <= 24
        cells = {(x, y) for x in range(at['x'], at['x'] + at['w']) for y in range(at['y'], at['y'] + at['h'])}
        assert not cells & taken, f'{panel["title"]} lies on another panel'
        taken |= cells
    for panel in PANELS:
        assert panel['targets'] and panel['fieldConfig']['defaults']['unit'], panel['title']
        refs = [target['refId'] for target in panel['targets']]
        assert len(refs) == len(set(refs))
    names = {variable['name'] for variable in DASHBOARD['templating']['list']}
    used = set(re.findall(r'\$\{?(\w+)', json.dumps(DASHBOARD))) - {'__rate_interval'}
    assert used == names


def test_dashboard_and_alerts_ask_for_metrics_that_there_are():
    known = set(re.findall(r'\{\{"(quire_\w+)"', (harness.REPOSITORY / 'fs/serve/metrics.cc').read_text())) | {'quire_mount_up'}
    assert len(known) > 50
    for text in [*queries(), RULES.read_text()]:
        names = {re.sub('_(bucket|sum|count)$', '', name) for name in re.findall(r'\bquire_\w+', text)}
        assert names <= known, names - known
