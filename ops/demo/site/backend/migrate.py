"""Brings the schema up to date: runs each file of `migrations/` once, in order."""

from pathlib import Path

import database

FOLDER = Path(__file__).parent / "migrations"

with database.connect().cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR(100) PRIMARY KEY)")
    cursor.execute("SELECT name FROM migrations")
    done = {name for (name,) in cursor.fetchall()}
    for file in sorted(FOLDER.glob("*.sql")):
        if file.name in done:
            continue
        print(f"applying {file.name}", flush=True)
        for statement in filter(str.strip, file.read_text().split(";")):
            cursor.execute(statement)
        cursor.execute("INSERT INTO migrations VALUES (%s)", (file.name,))
