"""Collections of embeddings, and search by similarity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from astermind_lab.errors import InvalidInput, NotFound, shown
from astermind_lab.lab import arguments as check
from astermind_lab.results import (
    Collection,
    Collections,
    SimilarItem,
    SimilarItems,
    StoredEmbeddings,
)
from astermind_lab.tools import Wire, tool

if TYPE_CHECKING:
    from astermind_lab.lab.live import LiveModel
    from astermind_lab.lab.session import Session

__all__ = ["list_collections", "search_similar", "store_embeddings"]


@dataclass(frozen=True)
class ItemObject:
    """Something to search for; item_id is an older name of id."""

    text: str
    id: str | None = None
    item_id: str | None = None
    metadata: dict[str, Any] | None = None
    embedding: list[float] | None = None


@dataclass(frozen=True)
class _Item:
    item_id: str
    text: str
    metadata: dict[str, Any]
    embedding: list[float] | None


@dataclass(frozen=True)
class _Maker:
    """A model that embedded something, and the digest of the layer it did it with."""

    model_id: str
    layer: str


_KEYS = ("id", "item_id", "text", "metadata", "embedding")


@tool(slow=True)
def store_embeddings(
    lab: Session,
    collection_name: str,
    items: Annotated[Iterable[Mapping[str, Any]], Wire(list[ItemObject])],
    model_id: str | None = None,
) -> StoredEmbeddings:
    """Put items into a collection that can be searched by similarity.

    All vectors of a collection have the same length. An item of the same id is replaced.

    collection_name : the collection; it is made when the first items come
    items : objects with id, text, optionally metadata, and embedding unless model_id is given
    model_id : the model that embeds the texts of items without an embedding
    Raises InvalidInput, NotFound.
    """
    collection = check.identifier(collection_name, "collection_name")
    model_id = check.optional(check.identifier, model_id, "model_id")
    read = [_item(item, row) for row, item in enumerate(check.sequence(items, "items", "objects"))]
    if not read:
        raise InvalidInput("items", "is empty; give at least one item")
    vectors, maker = _vectors(lab, read, model_id)
    return StoredEmbeddings(
        collection_name=collection, stored_count=_add(lab, collection, read, vectors, maker)
    )


def _item(item: object, row: int) -> _Item:
    if not isinstance(item, Mapping):
        raise InvalidInput("items", f"item {row}: must be an object, got {shown(item)}")
    check.check_keys(item, _KEYS, "items", f"item {row}: ")
    if "id" in item and "item_id" in item:
        raise InvalidInput("items", f"item {row}: has both id and item_id; give one of them")
    vector = item.get("embedding")
    try:
        return _Item(
            item_id=check.identifier(item.get("id", item.get("item_id")), "id"),
            text=check.text(item.get("text"), "text"),
            metadata=check.plain_mapping(item.get("metadata"), "metadata"),
            embedding=None if vector is None else check.vector(vector, "embedding"),
        )
    except InvalidInput as error:
        raise InvalidInput("items", f"item {row}: {error}") from None


def _vectors(
    lab: Session, items: Sequence[_Item], model_id: str | None
) -> tuple[list[Sequence[float]], _Maker | None]:
    """The embedding of each item, its own or the model's, and the model if it made any."""
    missing = [row for row, item in enumerate(items) if item.embedding is None]
    if missing and model_id is None:
        raise InvalidInput(
            "items", f"item {missing[0]}: has no embedding; give one, or a model_id that embeds it"
        )
    maker: _Maker | None = None
    vectors: list[Sequence[float]] = [item.embedding or [] for item in items]
    if missing and model_id is not None:
        made, maker = _embed(lab, model_id, [items[row].text for row in missing])
        for row, vector in zip(missing, made, strict=True):
            vectors[row] = vector
    return vectors, maker


def _embed(lab: Session, model_id: str, texts: Sequence[str]) -> tuple[list[list[float]], _Maker]:
    model = lab.find(model_id)
    with model.guard.reading():
        made: list[list[float]] = model.classifier.embed(texts).tolist()
        maker = _Maker(model_id, model.classifier.layer_digest)
    model.last_used = lab.clock.now()
    return made, maker


def _add(
    lab: Session,
    collection: str,
    items: Sequence[_Item],
    vectors: Sequence[Sequence[float]],
    maker: _Maker | None,
) -> int:
    from astermind_lab.persistence import EmbeddingItem

    rows = [
        EmbeddingItem(item.item_id, item.text, vector, item.metadata)
        for item, vector in zip(items, vectors, strict=True)
    ]
    with check.renamed(embedding="items"):
        if maker is None:
            return lab.store.embeddings.add(collection, rows)
        return lab.store.embeddings.add(collection, rows, maker.model_id, maker.layer)


@tool()
def search_similar(
    lab: Session,
    collection_name: str | None = None,
    query_embedding: Annotated[Iterable[float] | None, Wire(list[float] | None)] = None,
    model_id: str | None = None,
    query_text: str | None = None,
    top_k: int = 10,
    filters: Mapping[str, Any] | None = None,
) -> SimilarItems:
    """The items of a collection most similar to a query, best first by cosine.

    Ask with query_embedding, or with query_text and the model_id that embeds it.

    collection_name : the collection; may be left out where only one can be meant: with model_id,
        the one of its name or one that it, as it is now, embedded; without, one of vectors of this
        length
    query_embedding : the vector to compare with
    model_id : the model that embeds query_text
    query_text : the text to compare with
    top_k : how many items to return, 1 to 100
    filters : metadata fields and the values they must have; dots lead into nested fields
    Raises InvalidInput, NotFound.
    """
    collection = check.optional(check.identifier, collection_name, "collection_name")
    model_id = check.optional(check.identifier, model_id, "model_id")
    top_k = check.whole_number(top_k, "top_k", 1, 100)
    wanted = check.plain_mapping(filters, "filters")
    vector, maker = _query(lab, query_embedding, query_text, model_id)
    if collection is None:
        collection = _of_length(lab, len(vector)) if maker is None else _of_maker(lab, maker)
    with (
        check.blaming("collection_name"),
        check.renamed(embedding="query_embedding", vector="query_embedding"),
    ):
        hits = lab.store.embeddings.search(collection, vector, top_k=top_k, filters=wanted or None)
    results = [
        SimilarItem(
            item_id=hit.item_id, text=hit.text, metadata=hit.metadata, similarity=hit.similarity
        )
        for hit in hits
    ]
    return SimilarItems(collection_name=collection, results=results, total_results=len(results))


def _query(
    lab: Session, embedding: object, text: object, model_id: str | None
) -> tuple[list[float], _Maker | None]:
    if embedding is not None and text is not None:
        raise InvalidInput("query_text", "was given beside query_embedding; give one of them")
    if embedding is not None:
        vector = check.vector(embedding, "query_embedding")
        return vector, None if model_id is None else _maker(lab.find(model_id))
    if text is None:
        raise InvalidInput("query_text", "is needed, with model_id; or give query_embedding")
    query = check.text(text, "query_text")
    if model_id is None:
        raise InvalidInput("model_id", "is needed to embed query_text")
    [vector], maker = _embed(lab, model_id, [query])
    return vector, maker


def _maker(model: LiveModel) -> _Maker:
    with model.guard.reading():
        return _Maker(model.model_id, model.classifier.layer_digest)


def _of_length(lab: Session, dimension: int) -> str:
    """The collection that a vector alone can only mean."""
    collections = lab.store.embeddings.collections()
    fitting = [name for name, (size, _) in collections.items() if size == dimension]
    if not fitting:
        raise NotFound(
            f"collection_name: no collection holds vectors of {dimension:,} numbers; "
            "store_embeddings makes one"
        )
    return _only_one(fitting)


def _of_maker(lab: Session, maker: _Maker) -> str:
    """The collection that a query by a model can only mean."""
    made = lab.store.embeddings.embedded_by()
    if maker.model_id in lab.store.embeddings.collections():
        named = made.get(maker.model_id)
        if named is None or named[1] == maker.layer:
            return maker.model_id
    alike = [name for name, (_, layer) in made.items() if layer == maker.layer]
    own = [name for name in alike if made[name][0] == maker.model_id]
    if not alike:
        raise NotFound(
            f"collection_name: no collection was embedded by {shown(maker.model_id)} as it is now; "
            "name the collection, or make one with store_embeddings"
        )
    return _only_one(own or alike)


def _only_one(fitting: Sequence[str]) -> str:
    if len(fitting) == 1:
        return fitting[0]
    raise InvalidInput(
        "collection_name", f"is needed, because several fit: {', '.join(map(shown, fitting[:10]))}"
    )


@tool()
def list_collections(lab: Session) -> Collections:
    """Every collection of embeddings, with the length of its vectors and its size."""
    found = [
        Collection(collection_name=name, dimension=dimension, count=count)
        for name, (dimension, count) in sorted(lab.store.embeddings.collections().items())
    ]
    return Collections(collections=found)
