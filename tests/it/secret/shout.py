"""Every form in which a program may print a secret, one a line: what is given, else all values
of the environment whose names begin with SHOP_."""

import base64
import html
import json
import os
import sys
import urllib.parse


def forms(secret):
    raw = secret.encode()
    # Four characters within a longer text in base64 are not known from any others.
    for text in (raw, b"x" + raw, b"xy" + raw + b"z")[: 3 if len(raw) > 4 else 1]:
        yield base64.b64encode(text).decode()
        yield base64.urlsafe_b64encode(text).decode().rstrip("=")
    yield secret
    yield raw.hex()
    yield raw.hex().upper()
    yield raw.hex(":")
    yield urllib.parse.quote(secret)
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1].replace("/", "\\/")
    yield "".join(f"\\u{ord(c):04x}" for c in secret)
    yield html.escape(secret)


def shout():
    secrets = [value for name, value in sorted(os.environ.items()) if name.startswith("SHOP_")]
    return [form for secret in sys.argv[1:] or secrets for form in forms(secret)]


if __name__ == "__main__":
    print("\n".join(shout()), flush=True)
