"""What strangers may post to the route of triggers, and what they learn by it."""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import hypothesis
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from google.auth import crypt, jwt
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from flask_boiler import CTX, Boiler, Config, QueryTaskMediator
from flask_boiler.errors import ConfigurationError
from flask_boiler.view.inbox.delivery import MAX_EVENT_BYTES
from tests.firestore import task_events
from tests.firestore.ledgers import open_accounts, order, transfers

AUDIENCE = "https://bank.example/triggers/"
EMAIL = "eventarc@bank.iam.gserviceaccount.com"


@pytest.fixture
def mediator(boiler: Boiler) -> QueryTaskMediator:
    return boiler.add(transfers(key="source"))


@pytest.fixture
def client(boiler: Boiler, mediator: QueryTaskMediator) -> FlaskClient:
    return client_of(boiler)


def client_of(boiler: Boiler) -> FlaskClient:
    app = Flask("bank")
    app.register_blueprint(boiler.trigger_blueprint(), url_prefix="/triggers")
    return app.test_client()


def problem(answer: Any, status: int) -> str:
    """The detail of a problem document of this status."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    return str(answer.get_json()["detail"])


# -- what is posted


def test_an_event_beyond_what_eventarc_delivers_is_not_read(
    boiler: Boiler, client: FlaskClient
) -> None:
    headers, body = task_events.json_event(boiler.context, "transfers/t")
    padded = body + b" " * (MAX_EVENT_BYTES - len(body))
    assert client.post("/triggers/", headers=headers, data=padded).status_code == 204
    problem(client.post("/triggers/", headers=headers, data=padded + b" "), 413)
    claimed = {"CONTENT_LENGTH": str(2**40)}
    problem(client.post("/triggers/", headers=headers, environ_overrides=claimed), 413)


def test_a_body_without_a_length_is_read_no_further_than_the_bound(
    boiler: Boiler, client: FlaskClient
) -> None:
    headers, _ = task_events.json_event(boiler.context, "transfers/t")

    class Endless:
        read_bytes = 0

        def read(self, size: int = -1) -> bytes:
            assert size >= 0
            self.read_bytes += size
            return b" " * size

        def tell(self) -> int:
            return 0

        def seek(self, *args: int) -> int:
            return 0

        def readline(self, size: int = -1) -> bytes:
            return self.read(size)

    endless = Endless()
    answer = client.post(
        "/triggers/",
        headers=headers,
        input_stream=endless,
        environ_overrides={"wsgi.input_terminated": True},
    )
    problem(answer, 413)
    assert endless.read_bytes <= MAX_EVENT_BYTES + 128 * 1024


def test_a_functions_event_is_bounded_and_answered_with_a_problem_document(
    boiler: Boiler, mediator: QueryTaskMediator
) -> None:
    class Event:
        def __init__(self, attributes: dict[str, Any], data: Any) -> None:
            self.get_attributes = lambda: attributes
            self.get_data = lambda: data

    headers, _ = task_events.json_event(boiler.context, "transfers/t")
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items()}
    app = Flask("function")

    @app.get("/<int:size>")
    def handled(size: int) -> str:
        mediator.cloud_event(Event(attributes, b"x" * size))
        return ""

    with pytest.raises(HTTPException):
        handled(MAX_EVENT_BYTES + 1)
    problem(app.test_client().get(f"/{MAX_EVENT_BYTES + 1}"), 413)
    problem(app.test_client().get("/3"), 400)


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_methods_are_refused_with_a_problem_document(
    client: FlaskClient, method: str
) -> None:
    answer = getattr(client, method)("/triggers/")
    problem(answer, 405)
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "doc_id", ["__x__", ".", "..", "x" * 1501, "é" * 751, "a/b/__c__", "%2F%2F/../x"]
)
def test_a_forged_id_is_refused(boiler: Boiler, client: FlaskClient, doc_id: str) -> None:
    headers, body = task_events.json_event(boiler.context, "transfers/t")
    event = json.loads(body)
    event["value"]["name"] = event["value"]["name"].removesuffix("t") + doc_id
    headers = {name: value for name, value in headers.items() if name != "ce-document"}
    assert "not the name of a document" in problem(
        client.post("/triggers/", headers=headers, data=json.dumps(event)), 400
    )


def test_no_answer_tells_what_is_stored(boiler: Boiler, client: FlaskClient) -> None:
    open_accounts(ada=1, ben=0)
    order("poison", "ada", "ben", 5)
    order("later", "ada", "ben", 1)
    CTX.db.document("transfers/odd").set({"source": "ada", "amount": "a secret"})
    for doc_id, status in (("poison", 422), ("later", 503), ("odd", 503)):
        event = task_events.protobuf_event(boiler.context, f"transfers/{doc_id}")
        headers, body = event
        said = problem(client.post("/triggers/", headers=headers, data=body), status)
        assert not any(word in said for word in ("ada", "ben", "secret", "has only"))
    assert "has only 1" in str(boiler.parked[0].error)


_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "ce-id",
            "ce-type",
            "ce-source",
            "ce-specversion",
            "ce-document",
            "ce-time",
            "ce-data",
            "content-type",
            "ce-datacontenttype",
            "ce-x",
            "ce-",
            "ce-subject",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
    | st.sampled_from(
        [
            "1.0",
            "0.3",
            "application/json",
            "application/cloudevents+json",
            "application/protobuf",
            "application/cloudevents-batch+json",
            "google.cloud.firestore.document.v1.written",
        ]
    ),
    max_size=8,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "data_base64",
                    "specversion",
                    "type",
                    "source",
                    "id",
                    "value",
                    "oldValue",
                    "name",
                    "fields",
                    "updateMask",
                    "time",
                    "datacontenttype",
                    "arrayValue",
                    "mapValue",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_BODIES = (
    st.binary(max_size=60)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | _JSON.map(lambda value: base64.b64encode(json.dumps(value).encode()))
)


@hypothesis.settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(_HEADERS, _BODIES, st.booleans())
def test_whatever_is_posted_is_refused_with_a_problem_document(
    boiler: Boiler, client: FlaskClient, given: dict[str, str], body: bytes, complete: bool
) -> None:
    right, _ = task_events.json_event(boiler.context, "transfers/t")
    headers = (right if complete else {}) | given
    problem(client.post("/triggers/", headers=headers, data=body), 400)


# -- who delivers


class Issuer:
    """Signs tokens, and serves the certificates of its keys on this machine."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.fetched = 0
        self.status = 200
        self.new_key("first")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched += 1
                body = json.dumps({k: _certificate(v) for k, v in issuer.keys.items()}).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "public, max-age=3600")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nobody reads it."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/certs"

    def new_key(self, key_id: str) -> None:
        self.keys[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, key_id: str = "first", **changed: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": EMAIL,
            "email_verified": True,
            "iat": now,
            "exp": now + 600,
        }
        pem = self.keys[key_id].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        signer = crypt.RSASigner.from_string(pem, key_id)
        return bytes(jwt.encode(signer, claims | changed)).decode()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture
def guarded(boiler: Boiler, issuer: Issuer) -> Iterator[Boiler]:
    """A Boiler of the same database, which asks who delivers."""
    config = boiler.context.config.but(
        trigger_audience=AUDIENCE,
        trigger_email=EMAIL,
        trigger_certs_url=issuer.url,
    )
    made = Boiler(config=config)
    made.add(transfers(key="source"))
    yield made
    made.close()


def deliver(boiler: Boiler, client: FlaskClient, token: str | None) -> Any:
    headers, body = task_events.json_event(boiler.context, "transfers/gone")
    if token is not None:
        headers["Authorization"] = token
    return client.post("/triggers/", headers=headers, data=body)


def test_the_deliverer_is_let_in_and_its_certificates_are_fetched_once(
    guarded: Boiler, issuer: Issuer
) -> None:
    client = client_of(guarded)
    for _ in range(3):
        assert deliver(guarded, client, f"Bearer {issuer.token()}").status_code == 204
    assert issuer.fetched == 1


def test_whoever_is_not_the_deliverer_is_refused(guarded: Boiler, issuer: Issuer) -> None:
    client = client_of(guarded)
    past = int(time.time()) - 3600
    stranger = Issuer()
    try:
        forged = stranger.token()
    finally:
        stranger.stop()
    header, claims, _ = issuer.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg": "none"}').decode().rstrip("=")
    odd = base64.urlsafe_b64encode(b'{"alg": "RS256", "kid": ["first"]}').decode().rstrip("=")
    for token, status in (
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        (f"Basic {issuer.token()}", 401),
        ("Bearer nonsense", 401),
        ("Bearer a.b.c", 401),
        ("Bearer " + "x" * 20_000, 401),
        (f"Bearer {forged}", 401),
        (f"Bearer {none}.{claims}.", 401),
        (f"Bearer {odd}.{claims}.AAAA", 401),
        (f"Bearer {header}.{claims}.AAAA", 401),
        (f"Bearer {issuer.token(aud='https://elsewhere.example')}", 401),
        (f"Bearer {issuer.token(iss='https://issuer.example')}", 401),
        (f"Bearer {issuer.token(iat=past, exp=past + 60)}", 401),
        (f"Bearer {issuer.token(email='mallory@bank.iam.gserviceaccount.com')}", 403),
        (f"Bearer {issuer.token(email_verified=False)}", 403),
        (f"Bearer {issuer.token(email=None)}", 403),
    ):
        answer = deliver(guarded, client, token)
        problem(answer, status)
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    # Neither is the body of a stranger read.
    claimed = {"CONTENT_LENGTH": str(2**40)}
    problem(client.post("/triggers/", environ_overrides=claimed), 401)
    assert deliver(guarded, client, f"Bearer {issuer.token()}").status_code == 204


def test_certificates_that_cannot_be_fetched_have_the_event_come_again(
    guarded: Boiler, issuer: Issuer
) -> None:
    client = client_of(guarded)
    issuer.status = 500
    for _ in range(3):
        answer = deliver(guarded, client, f"Bearer {issuer.token()}")
        problem(answer, 503)
        assert "Retry-After" in answer.headers
    assert issuer.fetched == 1


def test_a_check_needs_the_account_beside_the_audience() -> None:
    with pytest.raises(ConfigurationError, match="set together"):
        Config(trigger_audience=AUDIENCE)
    with pytest.raises(ConfigurationError, match="set together"):
        Config(trigger_email=EMAIL)
