"""Connections to MariaDB, one a thread."""

import threading

import pymysql

from settings import SETTINGS

OWN = threading.local()


def connect():
    return pymysql.connect(
        unix_socket=SETTINGS["DB_SOCKET"],
        user=SETTINGS["DB_USER"],
        password=SETTINGS["DB_PASSWORD"],
        database=SETTINGS["DB_NAME"],
        autocommit=True,
    )


def cursor():
    if not hasattr(OWN, "connection"):
        OWN.connection = connect()
    OWN.connection.ping(reconnect=True)
    return OWN.connection.cursor()
