"""What differs between machines, from the `.env` beside this file."""

from pathlib import Path


def read():
    lines = (Path(__file__).parent / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


SETTINGS = read()
