"""The domain models: users, who follow each other, and posts."""

from __future__ import annotations

import datetime

from marshmallow import validate

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Post", "User", "save_users"]


class User(DomainModel):
    """Somebody who posts, and whom others follow."""

    full_name: Attr[str]
    followers: Attr[list[str]] = attrs.bproperty(default_factory=list, doc="The ids of users.")

    class Meta:
        collection_name = "users"


class Post(DomainModel):
    """What somebody has posted."""

    author = attrs.relation(User, required=True)
    text: Attr[str] = attrs.bproperty(validate=validate.Length(min=1, max=280))
    posted_at = attrs.timestamp(initialize=lambda: datetime.datetime.now(datetime.UTC))

    class Meta:
        collection_name = "posts"

    def hashtags(self) -> list[str]:
        """The words of the text that begin with ``#``."""
        return [word for word in self.text.split() if word.startswith("#")]


def save_users() -> None:
    """Save two users who follow each other; everybody follows themselves."""
    for uid, full_name in {"ada": "Ada", "ben": "Ben"}.items():
        User.new(doc_id=uid, full_name=full_name, followers=["ada", "ben"]).save()
