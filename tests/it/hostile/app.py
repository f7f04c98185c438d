"""Answers each path in a way of its own, none of them a friendly one. `/health` alone is well."""

import socket
import sys
import threading
import time

OK = b"HTTP/1.1 200 OK\r\n"
PIECE = b"x" * (64 << 10)


def forever(send, piece):
    while True:
        send(piece)


def by_the_byte(send, text):
    for byte in text:
        send(bytes([byte]))
        time.sleep(0.1)


def whole(body):
    return OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def hundred_megabytes(send):
    send(OK + b"Content-Length: %d\r\n\r\n" % (100 << 20))
    for _ in range(100 << 4):
        send(PIECE)


def endless_body(send):
    send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    forever(send, b"10000\r\n" + PIECE + b"\r\n")


def endless_headers(send):
    send(OK)
    forever(send, b"X-More: " + b"y" * 200 + b"\r\n")


def one_long_header(send):
    send(OK + b"X-Long: ")
    for _ in range(10 << 4):
        send(PIECE)
    send(b"\r\n\r\n")


def dripped_body(send):
    send(OK + b"Content-Length: 1000\r\n\r\n")
    by_the_byte(send, b"z" * 1000)


def endless_informational(send):
    # At its own pace: an unoptimized client needs many times what this needs to send them.
    while True:
        send(b"HTTP/1.1 103 Early\r\nX-A: b\r\n\r\n" * 10)
        time.sleep(0.002)


def silence(send):
    time.sleep(600)


MOODS = {
    "/health": lambda send: send(whole(b'{"status": "ok"}')),
    "/": silence,
    "/silence": silence,
    "/hundred-megabytes": hundred_megabytes,
    "/endless-body": endless_body,
    "/endless-headers": endless_headers,
    "/one-long-header": one_long_header,
    "/endless-status-line": lambda send: (send(b"HTTP/1.1 200 "), forever(send, PIECE)),
    "/endless-informational": endless_informational,
    "/loop": lambda send: send(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
    "/closes": lambda send: None,
    "/garbage": lambda send: send(b"\x00\x16\x03\x01garbage\r\n\r\n" * 100),
    "/dripped": lambda send: by_the_byte(send, whole(b"at last")),
    "/dripped-body": dripped_body,
    "/deep": lambda send: send(whole(b"[" * 100_000)),
    "/terminal": lambda send: send(whole(b"\x1b]0;mine\x07\x1b[2J" + b"no\n" * 9)),
    "/chunk": lambda send: send(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
}


def serve(connection):
    with connection:
        try:
            head = connection.recv(65536).decode("latin-1")
            path = head.split(" ")[1].split("?")[0] if " " in head else "/"
            MOODS.get(path, silence)(connection.sendall)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
