# SPDX-License-Identifier: Apache-2.0
"""Types into a shell on a terminal:

    type_into.py bash|zsh COMPLETIONS [TYPED COMPLETED]...

With the scripts of the folder COMPLETIONS, each TYPED must become COMPLETED by the tab key; another line stops it with
an exit status of 1.
"""
import os
import pty
import re
import select
import sys
import time

shell, completions, *lines = sys.argv[1:]
SHELLS = {
    'bash': (['bash', '--norc', '--noprofile', '-i'], '. "$COMPLETIONS/quire.bash"'),
    'zsh': (['zsh', '-f', '-i'], 'fpath=("$COMPLETIONS" $fpath); autoload -U compinit; compinit -u -D'),
}
command, source = SHELLS[shell]
pid, terminal = pty.fork()
if pid == 0:
    os.environ['COMPLETIONS'] = completions
    os.execvp(command[0], command)
shown = ''


def wait_for(text):
    global shown
    deadline = time.monotonic() + 20
    while text not in shown:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            sys.exit(f'{shell}: no {text!r} in {shown!r}')
        shown += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|[\a\b]', '', os.read(terminal, 65536).decode(errors='replace'))


def send(text):
    global shown
    shown = ''
    os.write(terminal, text.encode())


# The line that sets the prompt is echoed, and must not be taken for it.
send(source + "; PS1='rea''dy> '\n")
wait_for('ready> ')
for typed, completed in zip(lines[::2], lines[1::2]):
    send(typed + '\t')
    wait_for(completed)
    send('\x15\n')  # control-U
    wait_for('ready> ')
os.close(terminal)
os.waitpid(pid, 0)
