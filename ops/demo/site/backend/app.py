"""A print shop's backend. It says in its headers which color and which release answers;
before there are any, that it is the one somebody started by hand."""

import os
import time

import redis
from flask import Flask, Response, jsonify, request

import database
from settings import SETTINGS

COLOR = os.environ.get("BG_COLOR", "by-hand")
RELEASE = os.environ.get("BG_RELEASE", "checkout")

app = Flask(__name__)
visits = redis.Redis(port=int(SETTINGS["REDIS_PORT"]))


@app.after_request
def name_the_release(answer):
    answer.headers["X-App-Color"] = COLOR
    answer.headers["X-App-Release"] = RELEASE
    return answer


@app.get("/health")
def health():
    with database.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM products")
        products = cursor.fetchone()[0]
    visits.ping()
    return jsonify(status="ok", products=products)


@app.get("/products")
def products():
    visits.incr("products")
    with database.cursor() as cursor:
        cursor.execute("SELECT name, cents FROM products ORDER BY id")
        return jsonify(products=[{"name": name, "cents": cents} for name, cents in cursor.fetchall()])


@app.get("/whoami")
def whoami():
    return jsonify(color=COLOR, release=RELEASE, pid=os.getpid())


@app.get("/slow")
def slow():
    time.sleep(seconds())
    return jsonify(slept=seconds())


@app.post("/upload")
def upload():
    length = 0
    while piece := request.stream.read(64 * 1024):
        length += len(piece)
    return jsonify(length=length)


@app.get("/stream")
def stream():
    pieces = int(seconds() * 10)

    def lines():
        for number in range(pieces):
            yield f"{number}\n"
            time.sleep(0.1)
        yield "end\n"

    return Response(lines(), mimetype="text/plain")


def seconds():
    return min(float(request.args.get("seconds", 1)), 60.0)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=5000, threaded=True)
