"""Serves the app; told to end, it says so in a file and goes on for some seconds."""
import os
import signal
import sys
import threading

from app import app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


def told(*_):
    with open(TOLD, "w"):
        pass
    threading.Timer(3, os._exit, (0,)).start()


signal.signal(signal.SIGTERM, told)
make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Quiet).serve_forever()
