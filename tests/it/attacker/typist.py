"""A program of the owner's that tries to type into the terminal of whoever started it.

Usage: typist.py REPORT; writes what it found and what it was let do as JSON.
"""

import fcntl
import json
import os
import sys
import termios

WORD = b"gotcha\n"


def type_into(descriptor):
    try:
        for byte in WORD:
            fcntl.ioctl(descriptor, termios.TIOCSTI, bytes([byte]))
        return "typed"
    except OSError as error:
        return error.strerror


found = {"tty_nr": 0, "terminals": {}, "session": os.getsid(0), "pid": os.getpid()}
with open("/proc/self/stat") as stat:
    found["tty_nr"] = int(stat.read().rsplit(")", 1)[1].split()[4])
for number in os.listdir("/proc/self/fd"):
    try:
        if os.isatty(int(number)):
            found["terminals"][os.ttyname(int(number))] = type_into(int(number))
    except OSError:
        pass
try:
    descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    found["dev_tty"] = type_into(descriptor)
except OSError as error:
    found["dev_tty"] = error.strerror
with open(sys.argv[1], "a") as report:
    report.write(json.dumps(found) + "\n")
