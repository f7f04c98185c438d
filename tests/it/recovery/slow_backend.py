"""Builds an empty package, but not before it is told to."""

import os
import pathlib
import time
import zipfile


def get_requires_for_build_wheel(*args):
    return []


def build_wheel(folder, *args):
    pathlib.Path(MARK).write_text(str(os.getpid()))
    deadline = time.monotonic() + 600
    while not os.path.exists(END) and time.monotonic() < deadline:
        time.sleep(0.02)
    name = "slow-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        info = "slow-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "".join(info + part + ",,\n" for part in ("METADATA", "WHEEL", "RECORD")))
    return name
