#!/usr/bin/env -S /usr/bin/python3 -B -m pytest -p no:cacheprovider
# SPDX-License-Identifier: Apache-2.0
"""Goal: a pack is read by s3:// as Amazon's tools would find it: by whose keys, at which endpoint; keys that expire are renewed;
what the server refuses is told with a remedy; and no secret is ever seen where it has no business."""
import contextlib
import os
import pathlib
import random
import re
import subprocess
import time

import harness
import pytest
import web
from s3_server import FAULTS, KeyServices, S3Server, make_keys

SAMPLES = 30
KEY = 'sets/a b+ü%41/../images.quire'  # each of which another client would write in another way
URL = f's3://photo-bucket/{KEY}'


@pytest.fixture(autouse=True)
def forget_settings(scratch, monkeypatch):
    """Nothing of the machine's own is found: no variable, no file, no service."""
    for name in [name for name in os.environ if name.startswith('AWS_')]:
        monkeypatch.delenv(name)
    home = scratch / 'home-of-s3'
    (home / '.aws').mkdir(parents=True)
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')


@pytest.fixture(name='home')
def get_home(scratch):
    return scratch / 'home-of-s3'


@pytest.fixture(name='server')
def make_server(scratch, at_end, pack):
    """Serves a pack of the folder `tree` to who has keys."""
    tree = scratch / 'tree'
    tree.mkdir()
    contents = random.Random(1)
    for number in range(SAMPLES):
        (tree / f'{number:03}').write_bytes(contents.randbytes(100_000))
    pack(tree, scratch / 'tree.quire')
    return S3Server(at_end, {f'photo-bucket/{KEY}': scratch / 'tree.quire'})


@pytest.fixture(name='told')
def tell_place(server, monkeypatch):
    """The server, whose address is told by a variable."""
    monkeypatch.setenv('AWS_ENDPOINT_URL', server.url)
    return server


def tell_keys(monkeypatch, keys):
    for name, value in keys.variables().items():
        monkeypatch.setenv(name, value)


def read_all(mounted, tree):
    for name in sorted(os.listdir(tree)):
        assert (mounted / name).read_bytes() == (tree / name).read_bytes(), name


def find_keys(server):
    """The access keys by which the server was asked."""
    return [re.search('Credential=([^/]*)', headers['Authorization'])[1] for _, headers in server.seen if 'Authorization' in headers]


def test_commands_read_a_pack_by_s3(scratch, quire, told, monkeypatch):
    tell_keys(monkeypatch, told.add(make_keys()))
    for command in (('ls', '-lR'), ('export',)):
        assert quire(command[0], URL, *command[1:]).stdout == quire(command[0], scratch / 'tree.quire', *command[1:]).stdout
    assert quire('cat', URL, '007').stdout == (scratch / 'tree/007').read_bytes()
    quire('verify', URL).says('no fault')
    quire('diff', URL, scratch / 'tree')
    quire('extract', URL, '-C', scratch / 'extracted')
    harness.assert_same_tree(scratch / 'tree', scratch / 'extracted')
    quire('pack', '--from', URL, '-o', scratch / 'again.quire')
    assert (scratch / 'again.quire').read_bytes() == (scratch / 'tree.quire').read_bytes()
    quire('info', URL).says(re.escape(URL))


def test_a_mount_by_s3_is_confined_and_shows_no_secret(scratch, mount, told, monkeypatch):
    keys = told.add(make_keys(life_s=3600))
    tell_keys(monkeypatch, keys)
    log = scratch / 'log'
    mounted = mount(URL, f'log_file={log}', 'log_level=debug')
    read_all(mounted, scratch / 'tree')
    daemon = mounted.daemon()
    shown = [harness.run('findmnt', '-o', 'SOURCE,OPTIONS', mounted.folder).said, log.read_text(), str(mounted.stats()),
             harness.quire('mounts').said, pathlib.Path(f'/proc/{daemon}/cmdline').read_text(),
             harness.quire('mounts', '--json').said]
    assert 's3://photo-bucket/' in shown[0]
    for text in shown:
        assert keys.secret not in text and keys.token not in text
    if not harness.is_sanitized('asan', 'tsan'):
        assert 'files: those of serving and no others' in log.read_text()
        assert 'system calls: those of serving and no others' in log.read_text()
    # Each request is of the state that the first one found.
    assert all('If-Match' in headers for _, headers in told.seen[1:])


def write_profiles(home, text, file='credentials'):
    (home / '.aws' / file).write_text(text)


def as_fields(keys):
    token = f'aws_session_token={keys.token}\n' if keys.token else ''
    return f'aws_access_key_id = {keys.access}\naws_secret_access_key={keys.secret}\n{token}'


def test_what_amazons_tools_find_first_is_used(home, quire, server, monkeypatch):
    by = {name: server.add(make_keys()) for name in ('default', 'other', 'variables', 'config')}
    write_profiles(home, f'[default]\n{as_fields(by["default"])}[other]\n{as_fields(by["other"])}')
    place = f'endpoint_url = {server.url}\n'
    write_profiles(home, f'[default]\n{place}[profile other]\n{place}[profile config]\n{place}{as_fields(by["config"])}', 'config')

    def expect(name, *options):
        server.seen.clear()
        quire('ls', *options, URL)
        assert set(find_keys(server)) == {by[name].access}

    expect('default')
    expect('other', '--profile', 'other')
    expect('config', '--profile', 'config')
    monkeypatch.setenv('AWS_PROFILE', 'other')
    expect('other')
    tell_keys(monkeypatch, by['variables'])
    expect('variables')
    expect('config', '--profile', 'config')
    quire('ls', '--profile', 'none', URL, status=2).says("profile 'none': it is neither in .*credentials' nor in .*config'")
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'a b')
    done = quire('ls', URL, status=2).says('AWS_ACCESS_KEY_ID has blanks')
    assert done


def test_a_region_and_an_address_of_a_profile_are_used(home, quire, server, monkeypatch):
    server.region = 'eu-west-1'
    keys = server.add(make_keys())
    write_profiles(home, f'[default]\nservices = here\nregion = eu-west-1\n{as_fields(keys)}[services here]\ns3 =\n  endpoint_url = {server.url}\n',
                   'config')
    quire('verify', URL).says('no fault')
    monkeypatch.setenv('AWS_REGION', 'eu-north-1')
    quire('ls', URL, status=1).says('in the region eu-west-1', 'AWS_REGION=eu-west-1', 'AuthorizationHeaderMalformed')


def await_end(keys):
    harness.until(20, lambda: time.time() > keys.expires, 'the keys expire')


def test_keys_of_a_container_are_renewed_in_a_confined_daemon(scratch, mount, at_end, told, monkeypatch):
    """By keys of four seconds, whose token of the container is replaced meanwhile, as Kubernetes does."""
    services = KeyServices(at_end, told, life_s=4)
    folder = scratch / 'tokens'
    folder.mkdir()
    (folder / 'token').write_text(services.authorization + '\n')
    monkeypatch.setenv('AWS_CONTAINER_CREDENTIALS_FULL_URI', services.container)
    monkeypatch.setenv('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', str(folder / 'token'))
    mounted = mount(URL, 'push=off', 'direct_io', 'admit=extent', 'readahead=off')
    for turn in range(3):
        services.authorization = f'word-{turn}'
        (folder / 'new').write_text(services.authorization)
        os.replace(folder / 'new', folder / 'token')
        await_end(services.told[-1])
        for number in range(8 * turn, 8 * turn + 8):  # each of which is read for the first time
            assert (mounted / f'{number:03}').read_bytes() == (scratch / f'tree/{number:03}').read_bytes()
    assert len(services.told) >= 4
    assert mounted.stats()['remote']['failures'] == 0
    services.is_out = True
    await_end(services.told[-1])
    began = len(told.seen)
    reader = subprocess.Popen(['cat', mounted / '029'], stdout=subprocess.DEVNULL)
    harness.until(20, lambda: len(told.seen) > began + 1, 'what is refused is asked for again')
    services.is_out = False
    assert reader.wait(60) == 0


def test_keys_of_a_machine_are_used_where_there_are_no_others(quire, at_end, told, monkeypatch):
    services = KeyServices(at_end, told, life_s=3600)
    monkeypatch.delenv('AWS_EC2_METADATA_DISABLED')
    monkeypatch.setenv('AWS_EC2_METADATA_SERVICE_ENDPOINT', services.machine + '/')
    quire('verify', URL).says('no fault')
    assert set(find_keys(told)) == {services.told[0].access}
    services.role = ''
    quire('ls', URL, status=1).says('none were found', 'AccessDenied')
    quire('ls', '--anonymous', URL, status=1).says('without keys', 'AccessDenied')


def test_keys_that_are_replaced_in_a_file_are_read_again(scratch, home, mount, told):
    old = told.add(make_keys(life_s=3600))
    write_profiles(home, f'[default]\n{as_fields(old)}')
    mounted = mount(URL, 'push=off', 'direct_io', 'admit=extent', 'readahead=off')
    (mounted / '000').read_bytes()
    old.expires = 0
    write_profiles(home, f'[default]\n{as_fields(told.add(make_keys(life_s=3600)))}', 'new')
    os.replace(home / '.aws/new', home / '.aws/credentials')
    read_all(mounted, scratch / 'tree')


def test_who_has_no_keys_or_wants_none_does_not_sign(scratch, quire, mount, told, monkeypatch):
    told.is_public = True
    quire('verify', URL).says('no fault')
    tell_keys(monkeypatch, told.add(make_keys()))
    quire('verify', '--anonymous', URL).says('no fault')
    read_all(mount(URL, 'anonymous'), scratch / 'tree')
    assert not find_keys(told)


def test_who_pays_says_so(quire, mount, scratch, told, monkeypatch):
    tell_keys(monkeypatch, told.add(make_keys()))
    quire('ls', URL)
    assert not any('x-amz-request-payer' in headers for _, headers in told.seen)
    told.seen.clear()
    quire('ls', '--requester-pays', URL)
    read_all(mount(URL, 'requester_pays'), scratch / 'tree')
    assert told.seen and all(headers['x-amz-request-payer'] == 'requester' for _, headers in told.seen)


TOLD = {'NoSuchKey': 'no such key', 'NoSuchBucket': 'no such bucket', 'AccessDenied': 'permit it to the keys of the environment',
        'InvalidAccessKeyId': 'does not know the access key', 'SignatureDoesNotMatch': 'secret key is not',
        'ExpiredToken': 'have expired: get new', 'InvalidToken': 'token is not', 'InvalidObjectState': 'archived: restore',
        'PermanentRedirect': 'is in the region ap-south-1, and was asked for in us-east-1: set AWS_REGION=ap-south-1',
        'AuthorizationHeaderMalformed': 'region ap-south-1', 'SlowDown': 'SlowDown', 'InternalError': 'fault'}


def test_what_the_server_refuses_is_told_with_a_remedy(quire, told, monkeypatch):
    keys = told.add(make_keys(life_s=3600))
    tell_keys(monkeypatch, keys)
    for code, words in TOLD.items():
        told.faults = [(code, 1000)]
        told.fault_headers = {'x-amz-bucket-region': 'ap-south-1'} if '1' in words else {}
        done = quire('ls', URL, status=1)
        assert done.says(words, code)
        assert keys.secret not in done.said and keys.token not in done.said and keys.access not in done.said
    told.faults = [('Odd\x1b[31m', 1)]
    assert '\x1b' not in quire('ls', URL, status=1).said
    assert set(TOLD) < set(FAULTS)
    told.faults = []
    for ahead, words in ((3600, '3[56].. s behind'), (-3600, '36.. s ahead of')):
        told.clock_s = ahead
        quire('ls', URL, status=1).says(words, 'NTP', 'RequestTimeTooSkewed')
    told.clock_s = 0
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'wrong')
    quire('ls', URL, status=1).says('SignatureDoesNotMatch')


def test_what_passes_is_repeated(scratch, mount, told, monkeypatch):
    tell_keys(monkeypatch, told.add(make_keys()))
    mounted = mount(URL, 'push=off')
    told.faults = [('SlowDown', 1), ('RequestTimeout', 1), ('InternalError', 1)]
    read_all(mounted, scratch / 'tree')
    assert mounted.stats()['remote']['retries'] == 3
    assert mounted.stats()['remote']['failures'] == 0


def test_an_object_that_is_replaced_is_an_error(scratch, mount, pack, told, monkeypatch):
    tell_keys(monkeypatch, told.add(make_keys()))
    mounted = mount(URL, 'push=off')
    for path in (scratch / 'tree').iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    pack(scratch / 'tree', scratch / 'other.quire')
    os.replace(scratch / 'other.quire', scratch / 'tree.quire')
    with pytest.raises(OSError):
        read_all(mounted, scratch / 'tree')


def test_signatures_follow_no_redirect(scratch, at_end, quire, server, monkeypatch):
    (scratch / 'empty').mkdir()
    leads = web.Nginx(at_end, scratch, scratch / 'empty', settings=f'location / {{ return 307 {server.url}$request_uri; }}')
    monkeypatch.setenv('AWS_ENDPOINT_URL_S3', leads.url)
    tell_keys(monkeypatch, server.add(make_keys(life_s=3600)))
    quire('ls', URL, status=1).says('leads to another address')
    assert not server.seen


def test_names_that_are_none_and_ways_that_are_not_gone_are_told(home, quire, told, monkeypatch):
    for url in ('s3://', 's3://ab/x', 's3://photo-bucket', 's3://photo-bucket/', 's3://photo:bucket/x', 's3://user@photo/x',
                's3://photo-bucket/' + 'x' * 1025):
        quire('ls', url, status=2).says('bucket|key')
    for field in ('role_arn', 'credential_process', 'sso_session'):
        write_profiles(home, f'[default]\n{field} = secret-word\n', 'config')
        done = quire('ls', URL, status=2)
        assert done.says(field, 'export-credentials') and 'secret-word' not in done.said
    write_profiles(home, '', 'config')
    for region in ('a/b', 'x.example.com', 'a b'):
        monkeypatch.setenv('AWS_REGION', region)
        quire('ls', URL, status=2).says('region')
    monkeypatch.delenv('AWS_REGION')
    for endpoint in ('file:///etc', 'x', 'http://user:secret-word@127.0.0.1', 'http://127.0.0.1/?a'):
        monkeypatch.setenv('AWS_ENDPOINT_URL', endpoint)
        done = quire('ls', URL, status=2)
        assert done.says('endpoint') and 'secret-word' not in done.said
    assert not told.seen


def test_files_of_settings_are_anybodys(home, quire, told):
    path = home / '.aws/credentials'
    for text, words in (('secret-word\n', 'line 1'), ('[default\n', 'line 1'), ('[default]\nsecret-word\n', 'line 2'),
                        ('[default]\naws_access_key_id=a\n', 'without aws_secret_access_key'),
                        ('[default]\naws_access_key_id=a\naws_secret_access_key=secret-word\x01\n', 'aws_secret_access_key has')):
        path.write_text(text)
        done = quire('ls', URL, status=2)
        assert done.says(words, 'credentials') and 'secret-word' not in done.said
    path.write_bytes(b'[default]\n' + b'a = b\n' * 300_000)
    quire('ls', URL, status=2).says('at most')
    path.unlink()
    os.mkfifo(path)
    quire('ls', URL, status=2, timeout=20).says('give a file')
    path.unlink()
    path.mkdir()
    with contextlib.suppress(FileNotFoundError):
        assert quire('ls', URL, status=None).returncode in (1, 2)
    assert not told.seen


def test_fstab_and_root_without_an_environment(scratch, home, server):
    """As at boot: no variable says where a home is, so it is that of the user, in a mount namespace where root's is the test's."""
    if not harness.is_root():
        pytest.skip('needs root')
    write_profiles(home, f'[packs]\n{as_fields(server.add(make_keys()))}')
    write_profiles(home, f'[profile packs]\nendpoint_url = {server.url}\n', 'config')
    (scratch / 'mount.quire').symlink_to(harness.QUIRE)
    (scratch / 'mnt').mkdir()
    users = re.sub(r'^(root:.*?:.*?:.*?:.*?):.*?:', rf'\1:{home}:', pathlib.Path('/etc/passwd').read_text(), flags=re.M)
    (scratch / 'passwd').write_text(users)
    script = """mount --bind "$1/passwd" /etc/passwd
        env -i "$1/mount.quire" "$2" "$1/mnt" -o ro,profile=packs,_netdev
        cat "$1"/mnt/0*
        umount "$1/mnt" """
    done = harness.run('unshare', '--mount', 'bash', '-euc', script, 'bash', scratch, URL)
    assert done.stdout == b''.join((scratch / f'tree/{number:03}').read_bytes() for number in range(SAMPLES))


def test_a_tier_keeps_what_was_read_by_whatever_keys(scratch, mount, told, monkeypatch):
    tell_keys(monkeypatch, told.add(make_keys()))
    first = mount(URL, f'tier={scratch}/tier', 'prefetch=all')
    read_all(first, scratch / 'tree')
    size = (scratch / 'tree.quire').stat().st_size
    harness.until(20, lambda: first.stats()['tier']['kept_bytes'] > size - (1 << 20), lambda: str(first.stats()['tier']))
    first.unmount()
    keys = told.add(make_keys(life_s=3600))
    tell_keys(monkeypatch, keys)
    told.seen.clear()
    second = mount(URL, f'tier={scratch}/tier')
    read_all(second, scratch / 'tree')
    assert len(told.seen) <= 2, 'the superblock alone is asked for'
    listed = harness.quire('tier', 'ls', scratch / 'tier', '--json').said
    assert KEY.encode().decode('ascii', 'ignore')[:5] in listed and keys.secret not in listed and keys.access not in listed


def test_the_home_is_found_where_no_variable_tells_it(scratch, told, monkeypatch):
    """As at boot. What lies there is the user's own, so only the message tells."""
    monkeypatch.delenv('HOME')
    folder = scratch / 'mnt'
    folder.mkdir()
    expected = f'/{pathlib.Path("~").expanduser().relative_to("/")}/.aws/config'
    for command in (('ls', '--profile', 'none-of-these', URL), ('mount', '-o', 'profile=none-of-these', URL, folder)):
        assert expected in harness.quire(*command, status=2).err
    assert not told.seen
