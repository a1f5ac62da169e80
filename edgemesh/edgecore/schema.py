# -*- test-case-name: tests.edgecore.test_schema -*-
"""
The tables, and how an older file becomes a current one.

``meta`` and ``meta_v2`` are KubeEdge's.  ``meta_v2`` has two generations of column
names; a file keeps the one it was made with, so that the KubeEdge that made it
can go on with it.  What KubeEdge has no place for is in tables that begin with
``edgemesh_``.  ``PRAGMA user_version`` counts our migrations; KubeEdge leaves it 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from edgemesh.edgecore.faults import StoreError


@dataclass(frozen=True, slots=True)
class Generation:
    """How ``meta_v2`` calls two of its columns."""

    resource: str
    version: str


BEEGO = Generation("groupversionresource", "resourceversion")
GORM = Generation("group_version_resource", "resource_version")


def migrate(connection: sqlite3.Connection) -> None:
    """
    Bring a file up to date: each step in one transaction, or not at all.

    :raise StoreError: the file is newer than this program, or somebody else's.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_MIGRATIONS):
        raise StoreError(
            f"the database is of version {version}, made by a newer edgemesh;"
            f" this one knows up to {len(_MIGRATIONS)}"
        )
    for number, step in enumerate(_MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def generation(connection: sqlite3.Connection) -> Generation:
    """
    Which column names ``meta_v2`` has.

    :raise StoreError: none of KubeEdge's: the file is somebody else's.
    """
    if not _columns(connection, "meta") >= {"key", "type", "value"}:
        raise StoreError("the database has a table meta that is not KubeEdge's")
    columns = _columns(connection, "meta_v2")
    for candidate in (GORM, BEEGO):
        wanted = {"key", "namespace", "name", "value", candidate.resource, candidate.version}
        if columns >= wanted:
            return candidate
    raise StoreError("the database has a table meta_v2 that is not KubeEdge's")


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return {str(row[0]) for row in rows}


def _begin(connection: sqlite3.Connection) -> None:
    """Version 1: KubeEdge's tables where they are missing, and ours."""
    for statement in (
        "CREATE TABLE IF NOT EXISTS `meta`"
        " (`key` text,`type` text,`value` text,PRIMARY KEY (`key`))",
        "CREATE TABLE IF NOT EXISTS `meta_v2` (`key` text,`group_version_resource` text,"
        "`namespace` text,`name` text,`resource_version` integer,`value` text,PRIMARY KEY (`key`))",
        # Types are asked for in order of the key, page by page.
        "CREATE INDEX edgemesh_meta_type ON meta (type, key)",
        "CREATE TABLE edgemesh_origin (key text PRIMARY KEY, origin text NOT NULL)",
        "CREATE TABLE edgemesh_gone (key text PRIMARY KEY, uid text NOT NULL,"
        " version integer NOT NULL)",
        "CREATE TABLE edgemesh_counter (name text PRIMARY KEY, value integer NOT NULL)",
    ):
        connection.execute(statement)


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_begin,)
