"""What is switched while it is measured: every kind of answer, as cheap as Flask makes it.

Each answer names the color and the release that gave it. Under bg both come from the
environment; elsewhere the color is what the file `COLOR_FILE` holds at the start.
"""

import base64
import hashlib
import os
import time
from pathlib import Path

from flask import Flask, Response, request

COLOR = os.environ.get("BG_COLOR") or Path(os.environ["COLOR_FILE"]).read_text().strip()
NAMED = {"X-App-Color": COLOR, "X-App-Release": os.environ.get("BG_RELEASE", COLOR)}
WHO = f'{{"color":"{COLOR}"}}'

app = Flask(__name__, static_folder=None)


def answer(body, kind="application/json"):
    return Response(body, headers=NAMED, mimetype=kind)


@app.get("/health")
def health():
    return answer('{"status":"ok"}')


@app.get("/whoami")
def whoami():
    return answer(WHO)


@app.get("/slow")
def slow():
    seconds = float(request.args["seconds"])
    time.sleep(seconds)
    return answer(f'{{"slept":{seconds}}}')


@app.post("/upload")
def upload():
    length = 0
    while piece := request.stream.read(64 * 1024):
        length += len(piece)
    return answer(f'{{"length":{length}}}')


@app.get("/stream")
def stream():
    lines = int(float(request.args["seconds"]) * 10)

    def body():
        for number in range(lines):
            yield f"{number} {COLOR}\n"
            time.sleep(0.1)
        yield "end\n"

    return answer(body(), "text/plain")


# --- websockets: gunicorn hands the app its socket -----------------------------

TEXT, CLOSE = 0x1, 0x8


@app.get("/echo", websocket=True)
def echo():
    """Says each text again, the color in front, until the peer closes."""
    peer = request.environ["gunicorn.socket"]
    peer.sendall(handshake(request.headers["Sec-WebSocket-Key"]))
    while (message := frame(peer)) and message[0] != CLOSE:
        said = COLOR.encode() + b" " + message[1]
        peer.sendall(bytes([0x80 | TEXT, len(said)]) + said)
    # The connection cannot be used for HTTP any more.
    return Response("", headers={"Connection": "close"})


def handshake(key):
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = base64.b64encode(digest).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


def frame(peer):
    """One masked frame of fewer than 126 bytes: its kind and its text; None at the end."""
    head = exactly(peer, 6)
    if head is None:
        return None
    kind, length, mask = head[0] & 0x0F, head[1] & 0x7F, head[2:]
    body = exactly(peer, length)
    if body is None:
        return None
    return kind, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))


def exactly(peer, count):
    whole = b""
    while len(whole) < count:
        try:
            piece = peer.recv(count - len(whole))
        except OSError:
            return None
        if not piece:
            return None
        whole += piece
    return whole
