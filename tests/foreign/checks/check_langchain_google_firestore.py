"""What langchain-google-firestore's documentation shows: loading, saving, histories, vectors."""

from __future__ import annotations

import json

import pytest
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, HumanMessage
from langchain_google_firestore import (
    FirestoreChatMessageHistory,
    FirestoreLoader,
    FirestoreSaver,
    FirestoreVectorStore,
)


class Letters(Embeddings):
    """How often a text has each of three letters."""

    def embed_query(self, text: str) -> list[float]:
        return [float(text.count(letter)) for letter in "abc"]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture
def client() -> firestore.Client:
    made = firestore.Client()
    for collection in made.collections():
        made.recursive_delete(collection)
    return made


def _text(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def test_documents_are_saved_and_loaded(client: firestore.Client) -> None:
    saved = [Document(page_content=text, metadata={"n": n}) for n, text in enumerate("xyz")]
    FirestoreSaver("notes", client=client).upsert_documents(saved)
    loader = FirestoreLoader("notes", page_content_fields=["page_content"], client=client)
    found = sorted(loader.load(), key=lambda document: document.metadata["n"])
    assert _text(found) == ["x", "y", "z"]
    assert [document.metadata["n"] for document in found] == [0, 1, 2]


def test_more_documents_than_a_batch(client: firestore.Client) -> None:
    saved = [Document(page_content=f"No. {number}", metadata={}) for number in range(600)]
    FirestoreSaver("many", client=client).upsert_documents(saved)
    found = FirestoreLoader("many", client=client).load()
    assert sorted(_text(found)) == sorted(_text(saved))


def test_a_query_a_group_and_a_document_are_loaded(client: firestore.Client) -> None:
    for name, stars in (("a/1/reviews/r", 5), ("a/2/reviews/r", 2)):
        client.document(name).set({"stars": stars})
    group = client.collection_group("reviews")
    assert sorted(_text(FirestoreLoader(group).load())) == ["2", "5"]
    best = group.where(filter=FieldFilter("stars", ">", 3))
    (found,) = FirestoreLoader(best).load()
    assert found.metadata["reference"]["path"] == "a/1/reviews/r"
    assert _text(FirestoreLoader(client.document("a/2/reviews/r")).load()) == ["2"]


def test_values_come_back_as_they_were(client: firestore.Client) -> None:
    values = {
        "place": firestore.GeoPoint(1.5, -2.5),
        "other": client.document("c/other"),
        "vector": Vector([1.0, 2.0]),
        "deep": {"list": [client.document("c/x"), None, True]},
    }
    client.document("c/a").set(values)
    reference = client.document("c/a")
    loaded = FirestoreLoader(reference).load()
    reference.delete()
    FirestoreSaver(client=client).upsert_documents(loaded)
    assert client.document("c/a").get().to_dict() == values


def test_documents_are_merged_and_deleted_by_their_ids(client: firestore.Client) -> None:
    saver = FirestoreSaver(client=client)
    client.document("c/a").set({"kept": 1})
    note = Document(page_content="x", metadata={})
    saver.upsert_documents([note], merge=True, document_ids=["c/a"])
    assert client.document("c/a").get().to_dict() == {"kept": 1, "page_content": "x"}
    saver.delete_documents(FirestoreLoader("c", client=client).load())
    assert not client.document("c/a").get().exists


@pytest.mark.parametrize("encode", [True, False])
def test_a_history_outlives_who_wrote_it(client: firestore.Client, encode: bool) -> None:
    history = FirestoreChatMessageHistory("session", client=client, encode_message=encode)
    history.add_user_message("Hello")
    history.add_ai_message("日本 🎉")
    again = FirestoreChatMessageHistory("session", client=client, encode_message=encode)
    assert [(type(message), message.content) for message in again.messages] == [
        (HumanMessage, "Hello"),
        (AIMessage, "日本 🎉"),
    ]
    again.clear()
    assert FirestoreChatMessageHistory("session", client=client).messages == []


def _stored(client: firestore.Client, measure: DistanceMeasure) -> FirestoreVectorStore:
    store = FirestoreVectorStore("words", Letters(), client=client, distance_strategy=measure)
    texts = ["aaa", "abb", "ccc", "a"]
    metadatas = [{"long": len(text) > 1} for text in texts]
    assert store.add_texts(texts, metadatas, ids=texts) == texts
    return store


@pytest.mark.parametrize(
    ("measure", "nearest"),
    [
        (DistanceMeasure.EUCLIDEAN, ["aaa", "a"]),
        (DistanceMeasure.DOT_PRODUCT, ["aaa", "a"]),
    ],
)
def test_the_nearest_are_found(
    client: firestore.Client, measure: DistanceMeasure, nearest: list[str]
) -> None:
    store = _stored(client, measure)
    assert _text(store.similarity_search("aaaa", k=2)) == nearest
    assert _text(store.similarity_search_by_vector([0.0, 0.0, 9.0], k=1)) == ["ccc"]


def test_the_nearest_of_those_that_match(client: firestore.Client) -> None:
    store = _stored(client, DistanceMeasure.COSINE)
    long = FieldFilter("metadata.long", "==", True)
    assert _text(store.similarity_search("aaaa", k=2, filters=long)) == ["aaa", "abb"]
    # The first is as near as "a", which tells nothing new.
    different = store.max_marginal_relevance_search("aab", k=2, fetch_k=4, lambda_mult=0.1)
    assert json.loads(_text(different)[1])["content"] == "ccc"


def test_what_is_deleted_is_not_found(client: firestore.Client) -> None:
    store = _stored(client, DistanceMeasure.COSINE)
    store.delete(["aaa", "a"])
    assert _text(store.similarity_search("aaaa", k=4)) == ["abb", "ccc"]
