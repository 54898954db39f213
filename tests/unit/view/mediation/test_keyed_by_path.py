"""Documents of one id below two parents: both, everywhere, named by their paths."""

# mypy: disable-error-code="index, no-redef, union-attr"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_boiler import attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.errors import (
    ConfigurationError,
    DeclarationError,
    DocumentNotFoundError,
    ValidationError,
)
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.exposure import mount
from flask_boiler.view.inbox.patches import PatchCollection, Patches
from flask_boiler.view.socketio.arguments import ViewArguments
from flask_boiler.view.socketio.mutate_event import apply_command
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_builder import ViewBuilder
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.unit.memory import memory_context

ONE, OTHER, THIRD = "Shop/a/reviews/r1", "Shop/b/reviews/r1", "Shop/b/reviews/r2"


class Shop(DomainModel):
    name: Attr[str]
    picked = attrs.relation("Review", many=True)


class Review(DomainModel):
    stars: Attr[int]
    text: Attr[str] = attrs.bproperty(default="")

    class Meta:
        collection_name = "reviews"
        parent = Shop


class ShopStore(Store):
    shop: Any = reference(Shop)
    five = reference(Review, many=True, source=lambda store: Review.where(stars=5))
    own = reference(Review, many=True, source=lambda store: Review.all(parent=store.shop))
    picked = reference(Review, many=True, source=lambda store: store.shop.picked)
    named = reference(Review, many=True, source=lambda store: {"x": ONE, "y": OTHER})
    loose = reference(many=True, source=lambda store: [ONE, OTHER])
    same = reference(many=True, source=lambda store: [ONE, ONE])
    grouped = reference(Shop, many=True, source=lambda store: Shop.all().collection_group())


class ReviewStore(Store):
    review = reference(Review)


class ReviewView(ViewModel):
    store: ReviewStore

    stars: Attr[int] = attrs.through("review.stars")

    class Meta:
        path = "reviewView/{review.doc_id}"


class ReviewMutation(Mutation[ReviewView]):
    pass


class ReviewByKey(ViewModel):
    store: ReviewStore

    @classmethod
    def new(cls, doc_id: str) -> Any:
        return cls(store=ReviewStore(review=doc_id))

    @attrs.computed
    def stars(self) -> int:
        return int(self.store.review.stars)


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, made = memory_context()
    with context.activated():
        for parent in ("a", "b"):
            Shop.new(parent, name=parent, picked=[ONE, OTHER]).save()
            Review.new("r1", parent=parent, stars=5, text=parent).save()
        Review.new("r2", parent="b", stars=1).save()
        yield made


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("shops")
    app.config.update(SECRET_KEY="for the tests", TESTING=True)
    mediator = view.RestMediator(ReviewView, ReviewMutation, app=app)
    mediator.add_list_get("/reviews")
    mediator.add_instance_get("/reviews/<string:doc_id>")
    mediator.add_instance_put("/reviews/<doc_id>")
    mediator.add_instance_patch("/reviews/<string(minlength=1):doc_id>")
    mediator.add_instance_delete("/reviews/<path:doc_id>")
    return app.test_client()


class TestStores:
    def test_a_query_over_a_collection_group_is_keyed_by_path(self) -> None:
        store = ShopStore(shop="a")
        assert list(store.five) == [ONE, OTHER]
        assert len(store.five) == Review.where(stars=5).count() == 2
        assert [review.text for review in store.five.values()] == ["a", "b"]

    def test_whatever_it_finds(self) -> None:
        Review.get_or_raise(doc_ref=OTHER).delete()
        assert list(ShopStore(shop="a").five) == [ONE]
        assert list(ShopStore(shop="a").grouped) == ["Shop/a", "Shop/b"]

    def test_one_of_a_single_collection_by_id(self) -> None:
        assert list(ShopStore(shop="b").own) == ["r1", "r2"]
        below = Review.all().below("Shop/b")
        assert not below.is_collection_group
        assert [below.key_of(review) for review in below] == ["r1", "r2"]

    def test_a_list_of_documents_that_lie_below_others_by_path(self) -> None:
        assert list(ShopStore(shop="a").picked) == [ONE, OTHER]

    def test_keys_of_ones_own_stay(self) -> None:
        assert [(key, r.text) for key, r in ShopStore(shop="a").named.items()] == [
            *(("x", "a"), ("y", "b"))
        ]

    def test_a_list_in_which_ids_meet_is_refused_rather_than_one_left_out(self) -> None:
        with pytest.raises(DeclarationError, match=rf"{ONE} and {OTHER} under the same key 'r1'"):
            _ = ShopStore(shop="a").loose
        assert list(ShopStore(shop="a").same) == ["r1"]

    def test_an_id_does_not_name_a_root(self) -> None:
        with pytest.raises(DeclarationError, match="does not know the collection of 'r1'"):
            ReviewView.new("r1")
        assert ReviewView.new(OTHER).store.review.text == "b"
        assert ReviewView.get(OTHER).stars == 5

    def test_changes_of_both_are_saved(self) -> None:
        shop = ShopStore(shop="a")
        for review in shop.five.values():
            review.stars = 4
        ViewModel(store=shop).propagate_change()
        assert Review.where(stars=4).count() == 2


class TestRest:
    def test_a_list_has_both_in_order_and_its_keys_name_each(self, client: FlaskClient) -> None:
        answer: Any = client.get("/reviews").json
        assert answer["results"] == {
            ONE: {"stars": 5},
            OTHER: {"stars": 5},
            THIRD: {"stars": 1},
        }
        assert list(answer["results"]) == [ONE, OTHER, THIRD]
        for key, shown in answer["results"].items():
            for spelled in (key, quote(key, safe="")):
                assert client.get(f"/reviews/{spelled}").json == shown

    def test_pages_and_orders(self, client: FlaskClient) -> None:
        for order, expected in (
            ("", [ONE, OTHER, THIRD]),
            ("&order_by=stars", [THIRD, ONE, OTHER]),
            ("&order_by=-stars", [OTHER, ONE, THIRD]),
        ):
            found: list[str] = []
            token: Any = ""
            while token is not None:
                more = f"&page_token={token}" if token else ""
                answer: Any = client.get(f"/reviews?limit=1{order}{more}").json
                found += answer["results"]
                token = answer["next_page_token"]
            assert found == expected

    def test_what_cannot_be_shown_is_named_so_too(
        self, client: FlaskClient, datastore: MemoryDatastore
    ) -> None:
        for path in (ONE, OTHER):
            datastore.put(path, stars="none")
        answer: Any = client.get("/reviews").json
        assert list(answer["errors"]) == [ONE, OTHER]
        assert list(answer["results"]) == [THIRD]

    def test_each_is_written_by_its_key(self, client: FlaskClient) -> None:
        assert client.patch(f"/reviews/{OTHER}", json={"stars": 2}).json == {"stars": 2}
        assert client.put(f"/reviews/{quote(ONE, safe='')}", json={"stars": 3}).status_code == 200
        assert [Review.get_or_raise(doc_ref=p).stars for p in (ONE, OTHER)] == [3, 2]
        assert client.delete(f"/reviews/{OTHER}").status_code == 204
        assert Review.get(doc_ref=OTHER) is None
        assert Review.get(doc_ref=ONE) is not None

    def test_a_new_one_is_put_at_its_path(self, client: FlaskClient) -> None:
        path = "Shop/a/reviews/r9"
        made = client.put(f"/reviews/{path}", json={"stars": 3}, headers={"If-None-Match": "*"})
        assert made.status_code == 201
        assert client.get(made.headers["Location"]).json == {"stars": 3}
        assert Review.get_or_raise(doc_ref=path).stars == 3

    @pytest.mark.parametrize(
        "path", ["Team/a/reviews/r9", "Shop/a/reviews/r1/reviews/r9", "x/y/Shop/a/reviews/r9"]
    )
    def test_none_is_made_below_what_is_no_parent(
        self, client: FlaskClient, datastore: MemoryDatastore, path: str
    ) -> None:
        refused = client.put(f"/reviews/{path}", json={"stars": 3}, headers={"If-None-Match": "*"})
        assert refused.status_code == 422
        assert "expected Shop/<id>/reviews/<id>" in refused.text
        assert not datastore.exists(path)

    def test_the_stored_view_of_the_one_is_not_taken_for_the_other_s(
        self, client: FlaskClient, datastore: MemoryDatastore
    ) -> None:
        datastore.put("reviewView/r1", obj_type="ReviewView", stars=99)
        assert client.get(f"/reviews/{ONE}").json == {"stars": 5}

    @pytest.mark.parametrize(
        "key",
        [
            *("r1", "reviews/r1", "Shop/a", "Shop/a/reviews", "Shop/a/photos/r1"),
            *("Shop/a/reviews/.", "Shop/__x__/reviews/r1", "_boiler_places/x"),
        ],
    )
    def test_what_is_no_path_of_a_root_is_not_found(self, client: FlaskClient, key: str) -> None:
        answer = client.get(f"/reviews/{quote(key, safe='')}")
        assert answer.status_code == 404
        assert answer.mimetype == "application/problem+json"

    def test_a_post_that_names_no_parent_is_refused_when_declared(self) -> None:
        mediator = view.RestMediator(ReviewView, ReviewMutation, app=Flask("x"))
        with pytest.raises(ConfigurationError, match="does not know the parent of a new"):
            mediator.add_list_post("/reviews")

    def test_exposed_at_once(self) -> None:
        app = Flask("x")
        mount(
            ReviewView,
            ReviewMutation,
            app=app,
            io=None,
            query=None,
            rule="/reviews",
            namespace=None,
        )
        methods = {
            (rule.rule, *(rule.methods or set()) - {"HEAD", "OPTIONS"})
            for rule in app.url_map.iter_rules()
        }
        assert ("/reviews/<path:doc_id>", "GET") in methods
        assert ("/reviews", "POST") not in methods

    def test_in_a_blueprint(self) -> None:
        blueprint = Blueprint("api", __name__, url_prefix="/api")
        view.RestMediator(ReviewView, app=blueprint).add_instance_get("/reviews/<doc_id>")
        app = Flask("x")
        app.config.update(SECRET_KEY="for the tests")
        app.register_blueprint(blueprint)
        assert app.test_client().get(f"/api/reviews/{ONE}").json == {"stars": 5}

    def test_a_number_names_no_path(self) -> None:
        mediator = view.RestMediator(ReviewView, app=Flask("x"))
        with pytest.raises(ConfigurationError, match="named by their paths"):
            mediator.add_instance_get("/reviews/<int:doc_id>")

    def test_its_document_says_what_the_key_is(self, client: FlaskClient) -> None:
        text = str(openapi_document(client.application))
        assert "The views by the paths of their roots, in order." in text
        assert "The path of the document that the view is about" in text
        assert "/reviews/{doc_id}" in text


class TestElsewhere:
    def test_arguments_of_a_subscription(self) -> None:
        arguments = ViewArguments(ReviewView)
        values = arguments.checked({"doc_id": OTHER})
        assert arguments.build(values).store.review.text == "b"
        for wrong in ("r1", "Shop/a", "Shop/a/photos/x"):
            with pytest.raises(ValidationError, match="expected Shop/<id>/reviews/<id>"):
                arguments.checked({"doc_id": wrong})

    def test_commands(self) -> None:
        done = apply_command(ReviewView, ReviewMutation, "patch", OTHER, {"stars": 2})
        assert done == {"doc_id": OTHER, "value": {"stars": 2}}
        path = "Shop/a/reviews/r9"
        done = apply_command(ReviewView, ReviewMutation, "create", path, {"stars": 3})
        assert done == {"doc_id": path, "value": {"stars": 3}}
        with pytest.raises(ValidationError, match="not a path of a Review"):
            apply_command(ReviewView, ReviewMutation, "create", None, {"stars": 3})

    def test_patches(self) -> None:
        collection = PatchCollection(Patches("patches"), ViewSubject(ReviewView))
        memory_path = ViewSubject(ReviewView).path_of(OTHER)
        assert memory_path == OTHER
        assert collection.target == "target_review_id"

    def test_a_new_of_the_class_s_own(self, datastore: MemoryDatastore) -> None:
        snapshot = datastore.get([OTHER])[OTHER]
        assert ViewBuilder(ReviewByKey).build(snapshot).store.review.text == "b"
        assert ViewSubject(ReviewByKey).open(OTHER).store.review.text == "b"
        with pytest.raises(DocumentNotFoundError):
            ViewSubject(ReviewByKey).open("Shop/x/reviews/r1")

    def test_keys_of_top_level_documents_stay_ids(self) -> None:
        assert Shop.key_of("Shop/a") == "a"
        assert Shop.path_of_key("a") == "Shop/a"
        with pytest.raises(ValidationError):
            Shop.path_of_key("a/b")
