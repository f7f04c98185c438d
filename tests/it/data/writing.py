
# What tests add to the shop: it keeps everything beside its code, as the first tutorial says.
import sqlite3
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
kept_open = threading.local()


def database(name, journal):
    connection = sqlite3.connect(os.path.join(HERE, name), isolation_level=None)
    connection.execute(f"pragma journal_mode={journal}")
    connection.execute("create table if not exists numbers (n integer)")
    return connection


def lasting(name, journal):
    if not hasattr(kept_open, name[:4]):
        setattr(kept_open, name[:4], database(name, journal))
    return getattr(kept_open, name[:4])


os.makedirs(os.path.join(HERE, "instance"), exist_ok=True)
os.makedirs(os.path.join(HERE, "uploads/2026/11"), exist_ok=True)
ledger = open(os.path.join(HERE, "ledger.txt"), "a", buffering=1)


@app.get("/write/<int:n>")
def write(n):
    lasting("instance/shop.db", "wal").execute("insert into numbers values (?)", (n,))
    lasting("orders.sqlite3", "delete").execute("insert into numbers values (?)", (n,))
    # Some connections stay, others come and go: all must find the same write-ahead log.
    if n % 2:
        lasting("visits.sqlite3", "wal").execute("insert into numbers values (?)", (n,))
    else:
        fleeting = database("visits.sqlite3", "wal")
        fleeting.execute("insert into numbers values (?)", (n,))
        fleeting.close()
    with open(os.path.join(HERE, f"uploads/2026/11/{n}.txt"), "w") as upload:
        upload.write("x")
    if n == 1:
        os.symlink("uploads/2026/11/1.txt", os.path.join(HERE, "first"))
    ledger.write(f"{n}\n")
    return "kept"
