"""A small shop, made to be released again and again.

Every answer says in its headers which color and which release gave it, so that
whoever counts requests can tell where each one went.
"""

import os
import time

from flask import Flask, Response, render_template_string, request, session

COLOR = os.environ.get("BG_COLOR", "none")
RELEASE = os.environ.get("BG_RELEASE", "none")

app = Flask(__name__)
# Both colors must sign cookies with the same key, or a switch logs everybody out.
# It comes from the environment file, and the app does not start without it.
app.secret_key = os.environ["SHOP_SECRET"]

PAGE = """<!doctype html>
<title>Shop</title>
<link rel="stylesheet" href="/static/shop.css">
<body class="{{ color }}">
<h1>Good day</h1>
<p>This is release <b>{{ release }}</b>, served by <b>{{ color }}</b>.
You were here {{ visits }} {{ "time" if visits == 1 else "times" }}.</p>
"""


@app.after_request
def name_the_release(answer):
    answer.headers["X-App-Color"] = COLOR
    answer.headers["X-App-Release"] = RELEASE
    return answer


@app.get("/")
def front_page():
    session["visits"] = session.get("visits", 0) + 1
    return render_template_string(PAGE, color=COLOR, release=RELEASE, visits=session["visits"])


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/whoami")
def whoami():
    return {"color": COLOR, "release": RELEASE, "pid": os.getpid()}


@app.get("/slow")
def slow():
    """Answers after `seconds` (1 without it), at most a minute."""
    seconds = wanted_seconds()
    time.sleep(seconds)
    return {"slept": seconds}


@app.post("/upload")
def upload():
    """Reads the whole body, however slowly it comes, and says how long it was."""
    length = 0
    while piece := request.stream.read(64 * 1024):
        length += len(piece)
    return {"length": length}


@app.get("/stream")
def stream():
    """Sends a line ten times a second for `seconds`, then `end`."""
    lines = int(wanted_seconds() * 10)

    def body():
        for number in range(lines):
            yield f"{number} {COLOR}\n"
            time.sleep(0.1)
        yield "end\n"

    return Response(body(), mimetype="text/plain")


def wanted_seconds():
    return min(float(request.args.get("seconds", 1)), 60.0)
