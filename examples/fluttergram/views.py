"""The views: a post in the feed of each follower, and what users change."""

from __future__ import annotations

from examples.fluttergram.models import Post, User
from flask_boiler import Attr, Mutation, Store, ViewModel, attrs, each, reference, root

__all__ = ["AuthorMutation", "AuthorView", "FeedEntry", "PostMutation", "PostView"]


class FeedStore(Store):
    """The documents that an entry of a feed is computed from."""

    post = root(Post)
    author = reference(User, source=lambda store: store.post.author)

    @each(str)
    def follower(self) -> list[str]:
        return self.author.followers if self.author else []


class FeedEntry(ViewModel):
    """A post in the feed of one follower, at ``users/<uid>/feed/<post>``."""

    store: FeedStore

    class Meta:
        path = "users/{follower}/feed/{post.doc_id}"

    text = attrs.through("post.text", import_enabled=False, doc="What was posted.")
    author = attrs.through("author.full_name", import_enabled=False, doc="Who posted it.")
    posted_at = attrs.through("post.posted_at", import_enabled=False, doc="When.")

    @attrs.computed
    def hashtags(self) -> list[str]:
        """The words of the text that begin with ``#``."""
        return self.store.post.hashtags()

    @attrs.computed
    def mine(self) -> bool:
        """Whether the feed is the author's own."""
        return self.store.author is not None and self.store.author.doc_id == self.store.follower


class PostStore(Store):
    post = root(Post)


class PostView(ViewModel):
    """A post, as its author writes it over REST."""

    store: PostStore

    author = attrs.through("post.author")
    text: Attr[str] = attrs.through("post.text")


class PostMutation(Mutation[PostView]):
    """Posting, and taking back."""


class AuthorStore(Store):
    author = root(User)


class AuthorView(ViewModel):
    """A user, at ``authors/<uid>``: whom others follow, or follow no more."""

    store: AuthorStore

    class Meta:
        path = "authors/{author.doc_id}"

    full_name = attrs.through("author.full_name", import_enabled=False)
    followers = attrs.through("author.followers", import_enabled=False)
    add_follower: Attr[str] = attrs.bproperty(export_enabled=False, doc="The id of who follows.")
    remove_follower: Attr[str] = attrs.bproperty(export_enabled=False, doc="Who follows no more.")

    @add_follower.setter
    def _set_add_follower(self, uid: str) -> None:
        author, follower = self.store.author, User.get_or_raise(uid)
        if follower.doc_id not in author.followers:
            author.followers = [*author.followers, follower.doc_id]

    @remove_follower.setter
    def _set_remove_follower(self, uid: str) -> None:
        author = self.store.author
        author.followers = [follower for follower in author.followers if follower != uid]


class AuthorMutation(Mutation[AuthorView]):
    """Following, and following no more."""
