"""The table that the app's scripts write and its page shows."""

import psycopg
from psycopg.rows import dict_row

import settings

TABLE = """
create table if not exists events (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    kind text not null,
    booking bigint not null,
    details text not null
)
"""


def connect() -> psycopg.Connection:
    return psycopg.connect(settings.required("DATABASE_URL"), connect_timeout=5, row_factory=dict_row)


def record(kind: str, booking: int, details: str) -> int:
    """Answers the new row's number."""
    with connect() as database:
        database.execute(TABLE)
        row = database.execute(
            "insert into events (kind, booking, details) values (%s, %s, %s) returning id", (kind, booking, details)
        ).fetchone()
        return row["id"]


def newest(limit: int = 50) -> list[dict]:
    with connect() as database:
        database.execute(TABLE)
        return database.execute(
            "select id, at, kind, booking, details from events order by id desc limit %s", (limit,)
        ).fetchall()
