"""The terminal of an operator: a pseudo-terminal with a shell's part played by this.

Usage: screen.py REPORT TYPED COMMAND...; runs COMMAND there, types TYPED once that says `ready`, and writes as JSON how
it ended, what was shown, and what a shell would read afterwards that nobody typed. With `-` for
TYPED the terminal's line is the controlling one only, and no descriptor of COMMAND's.
"""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios

report, typed, command = sys.argv[1], sys.argv[2], sys.argv[3:]
told, tell = os.pipe()
child, master = pty.fork()
if child == 0:
    os.close(told)
    # As a shell waits for it: in a process group of its own, in the foreground.
    apart = {}
    if typed == "-":
        apart = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    before = termios.tcgetattr(0)
    terminal = os.open("/dev/tty", os.O_RDWR)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def to_the_front():
        # Before the command can touch the terminal: from the background it would be stopped.
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)

    ran = subprocess.Popen(command, preexec_fn=to_the_front, **apart)
    out, _ = ran.communicate()
    os.tcsetpgrp(0, os.getpgrp())
    found = {"code": ran.returncode, "terminal": os.ttyname(0), "nr": os.stat(0).st_rdev}
    found["restored"] = termios.tcgetattr(0) == before
    found["said"] = (out or b"").decode(errors="replace")
    raw = termios.tcgetattr(0)
    raw[3] &= ~termios.ICANON
    termios.tcsetattr(0, termios.TCSANOW, raw)
    waiting = bytearray(4)
    fcntl.ioctl(0, termios.FIONREAD, waiting)
    count = int.from_bytes(waiting, sys.byteorder)
    found["arrived"] = os.read(0, count).decode(errors="replace") if count else ""
    os.write(tell, json.dumps(found).encode())
    os._exit(0)
os.close(tell)
# Longer than anything here takes.
signal.alarm(120)
shown = b""
keys = b"" if typed == "-" else typed.encode().decode("unicode_escape").encode()
while True:
    try:
        piece = os.read(master, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if keys and b"ready" in shown:
        os.write(master, keys)
        keys = b""
with os.fdopen(told, "rb") as answer:
    found = json.loads(answer.read())
found["shown"] = shown.decode(errors="replace")
with open(report, "w") as file:
    json.dump(found, file)
os.waitpid(child, 0)
