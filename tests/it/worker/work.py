"""A worker that says ten times a second that it lives, and shouts when it is not alone."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

MODE = "work"
BEATS = os.environ["BEATS"]


def tell(what):
    line = {"at": time.time(), "pid": os.getpid(), "release": os.environ["BG_RELEASE"], "what": what}
    with open(BEATS, "a") as beats:
        beats.write(json.dumps(line) + "\n")


def end(number, _frame):
    tell(signal.Signals(number).name)
    sys.exit(0)


if MODE == "die":
    print("the queue is on fire, says", os.environ["SHOP_SECRET"], flush=True)
    sys.exit(3)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN if MODE == "deaf" else end)
if MODE == "parent":
    # Without its lock, as Python starts everything.
    subprocess.Popen(["sleep", "301"])
if MODE == "forker" and os.fork() == 0:
    # With its lock, as everything that only forks.
    os.execvp("sleep", ["sleep", "301"])
# A lock of its own, so that it need not believe anybody.
alone = open(BEATS + ".alone", "w")
try:
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    tell("two at once")
while True:
    tell("beat")
    time.sleep(0.1)
