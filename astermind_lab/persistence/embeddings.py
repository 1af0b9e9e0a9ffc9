"""Collections of embeddings, searched by cosine similarity.

A collection is a row in ``embeddings`` and a table of its own, because an HNSW index has one
dimension and cuts to the nearest before anything else is looked at. The table has a made-up name;
its items are keyed by their ids.

Search asks the index for the nearest and then computes their similarity exactly. With filters it
asks for more than needed and filters those. Where too few are left, it compares the query with
every matching item instead, so that ``top_k`` hits come back whenever that many match.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from astermind_lab.clock import Clock
from astermind_lab.errors import InvalidInput, NotFound, nearest, shown
from astermind_lab.persistence.connection import Connection
from astermind_lab.persistence.embedding_rows import (
    EmbeddingHit,
    EmbeddingItem,
    check_top_k,
    check_vector,
    checked_rows,
    conditions,
)
from astermind_lab.persistence.faults import RecordTaken
from astermind_lab.persistence.values import check_id, check_object, from_database

__all__ = ["EmbeddingRepository", "define_items"]

_ROWS_PER_STATEMENT = 500
# ef of the index search: with 400 an index of 5,000 random vectors of 256 numbers, the hardest
# kind, finds 97 % of the true ten nearest; 150 finds 87 %, and takes as long.
_BREADTH = 400
# With filters, how many of the nearest are filtered before all are.
_WIDER = 20
_WIDEST = 2_000

_DEFINE_ITEMS = """
DEFINE TABLE {items} SCHEMAFULL CHANGEFEED 1d;
DEFINE FIELD text ON {items} TYPE string;
DEFINE FIELD metadata ON {items} TYPE object FLEXIBLE;
DEFINE FIELD vector ON {items} TYPE any;
DEFINE INDEX nearest ON {items} FIELDS vector HNSW DIMENSION {dimension} DIST COSINE TYPE F32;
"""

# Without it, an insert that meets a deletion would make a new table without an index.
_STILL_THERE = """
IF (SELECT VALUE items FROM ONLY $collection) != $items { THROW 'the collection was deleted' };
"""

_EMBEDDED_BY = """
UPDATE $collection SET model_id = $model_id, layer = $layer
    WHERE layer != $layer OR model_id != $model_id RETURN NONE;
"""

_NEAREST = "SELECT id, text, metadata, vector FROM {items} WHERE vector <|{k},{breadth}|> $query"
_SCORED = (
    "SELECT id, text, metadata, vector::similarity::cosine(vector, $query) AS similarity "
    "FROM {source} {where} ORDER BY similarity DESC, id LIMIT $top_k"
)


def define_items(table: str, dimension: int) -> str:
    """The statements that make the table of a collection, with its index and its change feed."""
    return _DEFINE_ITEMS.format(items=table, dimension=dimension)


class EmbeddingRepository:
    """The collections of embeddings."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def add(
        self,
        collection: str,
        items: Iterable[EmbeddingItem],
        model_id: str | None = None,
        layer: str | None = None,
    ) -> int:
        """Store items, all of them or none; an item_id that is there already is replaced.

        model_id, layer : the model that made the vectors and the digest of its layer; kept with the
            collection
        The first call sets the dimension of the collection. Returns the number of items stored.
        Raises InvalidInput by the item's field, and for more numbers than fit in one call.
        """
        check_id("collection", collection)
        rows = checked_rows(items)
        if not rows:
            return 0
        dimension = len(next(iter(rows.values()))["vector"])
        table = self._ensure(collection, dimension)
        stored = [{"id": RecordID(table, item_id), **row} for item_id, row in rows.items()]
        chunks = {
            f"rows{start}": stored[start : start + _ROWS_PER_STATEMENT]
            for start in range(0, len(stored), _ROWS_PER_STATEMENT)
        }
        inserts = "\n".join(
            f"INSERT INTO {table} ${name} ON DUPLICATE KEY UPDATE text = $input.text, "
            "metadata = $input.metadata, vector = $input.vector RETURN NONE;"
            for name in chunks
        )
        noted = _EMBEDDED_BY if layer is not None else ""
        self._connection.write(
            f"BEGIN TRANSACTION;\n{_STILL_THERE}\n{noted}\n{inserts}\nCOMMIT TRANSACTION;",
            collection=_record(collection),
            items=table,
            model_id=model_id,
            layer=layer,
            **chunks,
        )
        return len(stored)

    def search(
        self,
        collection: str,
        vector: Sequence[float],
        top_k: int = 10,
        filters: Mapping[str, Any] | None = None,
    ) -> list[EmbeddingHit]:
        """The ``top_k`` items most similar to ``vector``, best first.

        filters : values that fields of the metadata must equal; dots lead into nested objects, and
            None asks for a field that is null or missing
        Raises NotFound for an unknown collection, InvalidInput for a vector of another dimension.
        """
        table, dimension = self._collection(collection)
        query = check_vector("vector", vector).tolist()
        if len(query) != dimension:
            raise InvalidInput(
                "vector",
                f"collection {shown(collection)} holds vectors of {dimension} numbers, got "
                f"{len(query)}",
            )
        check_top_k(top_k)
        where, bound = conditions(check_object("filters", filters))
        bound |= {"query": query, "top_k": top_k}
        hits = self._among_nearest(table, top_k, where, bound)
        return hits if len(hits) == top_k else self._scored(table, where, bound)

    def collections(self) -> dict[str, tuple[int, int]]:
        """collection → (dimension, number of items)."""
        rows = self._connection.first("SELECT * FROM embeddings ORDER BY collection")
        if not rows:
            return {}
        counts = self._connection.run(
            "".join(f"SELECT count() FROM {row['items']} GROUP ALL;" for row in rows)
        )
        return {
            row["collection"]: (row["dimension"], found[0]["count"] if found else 0)
            for row, found in zip(rows, counts, strict=True)
        }

    def embedded_by(self) -> dict[str, tuple[str, str]]:
        """collection → (model_id, digest of its layer), where a model made the vectors."""
        rows = self._connection.first(
            "SELECT collection, model_id, layer FROM embeddings WHERE layer != NONE"
        )
        return {row["collection"]: (row["model_id"], row["layer"]) for row in rows}

    def delete(self, collection: str) -> None:
        """Remove a collection and its items; raises NotFound."""
        table, _ = self._collection(collection)
        self._connection.write(
            f"BEGIN TRANSACTION; DELETE $record RETURN NONE; REMOVE TABLE IF EXISTS {table}; "
            "COMMIT TRANSACTION;",
            record=_record(collection),
        )

    def _among_nearest(
        self, table: str, top_k: int, where: str, bound: dict[str, Any]
    ) -> list[EmbeddingHit]:
        k = max(top_k, min(top_k * _WIDER, _WIDEST)) if where else top_k
        near = _NEAREST.format(items=table, k=k, breadth=max(_BREADTH, 2 * k))
        return self._scored(f"({near})", where, bound)

    def _scored(self, source: str, where: str, bound: dict[str, Any]) -> list[EmbeddingHit]:
        rows = self._connection.first(_SCORED.format(source=source, where=where), **bound)
        return [
            EmbeddingHit(
                item_id=row["id"].id,
                text=row["text"],
                metadata=from_database(row["metadata"]),
                similarity=min(1.0, max(-1.0, float(row["similarity"]))),
            )
            for row in rows
        ]

    def _ensure(self, collection: str, dimension: int) -> str:
        """The table of a collection, made if need be; raises InvalidInput for another dimension."""
        row = self._row(collection)
        if row is None:
            self._create(collection, dimension)
            row = self._row(collection)
        if row is None:
            raise NotFound(f"collection {shown(collection)} was deleted while it was written")
        if row["dimension"] != dimension:
            raise InvalidInput(
                "embedding",
                f"collection {shown(collection)} holds vectors of {row['dimension']} numbers, got "
                f"{dimension}; store these in another collection",
            )
        return str(row["items"])

    def _create(self, collection: str, dimension: int) -> None:
        table = f"embeddings_{uuid.uuid4().hex}"
        row = {
            "collection": collection,
            "items": table,
            "dimension": dimension,
            "created_at": self._clock.now(),
        }
        define = define_items(table, dimension)
        try:
            self._connection.write(
                f"BEGIN TRANSACTION; CREATE $record CONTENT $row RETURN NONE; {define} "
                "COMMIT TRANSACTION;",
                record=_record(collection),
                row=row,
            )
        except RecordTaken:  # another thread or process made it first
            return

    def _row(self, collection: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self._connection.first(
            "SELECT * FROM ONLY $record", record=_record(collection)
        )
        return row

    def _collection(self, collection: str) -> tuple[str, int]:
        row = self._row(check_id("collection", collection))
        if row is None:
            known = list(self.collections())
            raise NotFound(
                f"no collection {shown(collection)} is stored.{nearest(collection, known)} "
                f"{len(known)} collections are stored"
            )
        return str(row["items"]), int(row["dimension"])


def _record(collection: str) -> RecordID:
    return RecordID("embeddings", [collection])
