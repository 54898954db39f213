"""What firestore-pydantic-odm's documentation shows; its own tests are about a mock."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from firestore_pydantic_odm import (
    BaseFirestoreModel,
    BatchOperation,
    FirestoreDB,
    OrderByDirection,
    init_firestore_odm,
)
from google.api_core.exceptions import NotFound
from pydantic import BaseModel, Field

HOST = os.environ["FIRESTORE_EMULATOR_HOST"]


class User(BaseFirestoreModel):
    class Settings:
        name = "users"

    name: str
    age: int = 0
    tags: list[str] = Field(default_factory=list)
    mail_address: str | None = Field(default=None, alias="mailAddress")


class Post(BaseFirestoreModel):
    class Settings:
        name = "posts"
        parent = User

    title: str
    published: bool = False


class Comment(BaseFirestoreModel):
    class Settings:
        name = "comments"
        parent = Post

    text: str


class NameOnly(BaseModel):
    name: str


@pytest_asyncio.fixture(autouse=True)
async def _empty() -> AsyncIterator[None]:
    database = FirestoreDB(project_id="odm", emulator_host=HOST)
    async for collection in database.client.collections():
        await database.client.recursive_delete(collection)
    init_firestore_odm(database, [User, Post, Comment])
    yield
    database.client.close()


async def _saved(**ages: int) -> None:
    for name, age in ages.items():
        await User(id=name, name=name, age=age, tags=[name, "all"]).save()


async def _names(**asked: Any) -> list[str]:
    return [user.name async for user in User.find(**asked)]


@pytest.mark.asyncio
async def test_a_document_is_created_changed_and_deleted() -> None:
    user = await User(name="Ada", age=36, mailAddress="ada@example.com").save()
    assert await User.exists(user.id)
    found = await User.get(user.id)
    assert (found.name, found.age, found.mail_address) == ("Ada", 36, "ada@example.com")
    found.age = 37
    await found.update(include={"age"})
    assert (await User.get(user.id)).age == 37
    await found.delete()
    assert await User.get(user.id) is None
    with pytest.raises(NotFound):
        await found.update()


@pytest.mark.asyncio
async def test_an_id_that_is_taken_is_refused() -> None:
    await _saved(ada=36)
    with pytest.raises(RuntimeError, match="already exists"):
        await User(id="ada", name="Other").save()


@pytest.mark.asyncio
async def test_queries() -> None:
    await _saved(ada=36, bob=20, eve=50)
    assert await _names(filters=[User.age >= 36]) == ["ada", "eve"]
    assert await _names(filters=[User.name == "bob"]) == ["bob"]
    assert sorted(await _names(filters=[User.name != "bob"])) == ["ada", "eve"]
    assert sorted(await _names(filters=[User.age.in_([20, 50])])) == ["bob", "eve"]
    assert await _names(filters=[User.age.not_in_([20, 50])]) == ["ada"]
    assert await _names(filters=[User.tags.array_contains("eve")]) == ["eve"]
    either = [User.tags.array_contains_any(["ada", "bob"])]
    assert sorted(await _names(filters=either)) == ["ada", "bob"]
    assert await _names(filters=[User.age > 10, User.age < 40]) == ["bob", "ada"]
    assert await User.count([User.age > 20]) == 2


@pytest.mark.asyncio
async def test_order_limit_and_offset() -> None:
    await _saved(ada=36, bob=20, eve=50)
    oldest = (User.age, OrderByDirection.DESCENDING)
    assert await _names(order_by=oldest) == ["eve", "ada", "bob"]
    assert await _names(order_by=User.age, limit=2) == ["bob", "ada"]
    assert await _names(order_by=[oldest, User.name], limit=1, offset=1) == ["ada"]
    assert (await User.find_one([User.age > 20], order_by=User.age)).name == "ada"
    assert await User.find_one([User.age > 90]) is None


@pytest.mark.asyncio
async def test_a_projection() -> None:
    await _saved(ada=36)
    found = [one async for one in User.find(projection=NameOnly)]
    assert found == [NameOnly(name="ada")]


@pytest.mark.asyncio
async def test_subcollections_and_their_group() -> None:
    await _saved(ada=36, bob=20)
    ada, bob = await User.get("ada"), await User.get("bob")
    await Post(id="one", title="Hello", published=True).save(parent=ada)
    await ada.subcollection(Post).add(Post(id="two", title="Draft"))
    await Post(id="one", title="Other", published=True).save(parent=bob)
    assert (await Post.get("one", parent=bob)).title == "Other"
    assert [post.id async for post in Post.find(parent=ada)] == ["one", "two"]
    assert await ada.subcollection(Post).count([Post.published == True]) == 1  # noqa: E712
    found = Post.collection_group_find([Post.published == True])  # noqa: E712
    assert sorted([post.title async for post in found]) == ["Hello", "Other"]


@pytest.mark.asyncio
async def test_what_is_below_is_deleted_with_it() -> None:
    await _saved(ada=36)
    ada = await User.get("ada")
    post = await Post(title="Hello").save(parent=ada)
    await Comment(text="First").save(parent=post)
    await ada.delete(cascade=True)
    assert [one async for one in Comment.collection_group_find()] == []
    assert [one async for one in Post.collection_group_find()] == []


@pytest.mark.asyncio
async def test_a_batch_is_done_as_a_whole() -> None:
    await _saved(ada=36, bob=20)
    ada, bob = await User.get("ada"), await User.get("bob")
    ada.age = 37
    gone = User(id="none", name="Nobody")
    operations = [
        (BatchOperation.CREATE, User(id="eve", name="eve")),
        (BatchOperation.UPDATE, ada),
        (BatchOperation.DELETE, bob),
    ]
    with pytest.raises(NotFound):
        await User.batch_write([*operations, (BatchOperation.UPDATE, gone)])
    assert await _names() == ["ada", "bob"]
    await User.batch_write(operations)
    assert await _names() == ["ada", "eve"]
    assert (await User.get("ada")).age == 37
