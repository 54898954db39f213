"""Google's clients, for Google's Firestore and for a local one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import google.auth
import grpc
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore
from google.oauth2 import service_account

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import is_on_this_machine

__all__ = ["client_over", "close_client", "google_client", "local_client"]


#: A local server that was restarted is to be found again at once: left alone, gRPC waits longer
#: and longer, up to two minutes.
_LOCAL_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class _LocalClient(firestore.Client):
    """A client of a local Firestore at a host that no environment variable has to name.

    Google's own asks the environment once, in its initializer, and keeps the answer.
    """

    def __init__(self, host: str, *, project: str, database: str) -> None:
        super().__init__(project=project, credentials=AnonymousCredentials(), database=database)
        self._host = self._emulator_host = host

    def _emulator_channel(self, transport: Any) -> grpc.Channel:
        options = [*_LOCAL_CHANNEL_OPTIONS]
        if is_on_this_machine(self._host):
            # Else gRPC asks the proxy of the environment, which has a loopback of its own.
            options.append(("grpc.enable_http_proxy", 0))
        return grpc.insecure_channel(self._host, options=options)


def local_client(host: str, *, project: str, database: str) -> firestore.Client:
    """Google's client of a local Firestore; as the owner, it passes every security rule."""
    return _LocalClient(host, project=project, database=database)


class _ChannelAlone:
    """The stub of a client that makes no calls by itself: its channel, for who knows it."""

    def __init__(self, channel: Any) -> None:
        self.transport = SimpleNamespace(grpc_channel=channel, close=channel.close)

    def __getattr__(self, name: str) -> Any:
        raise ConfigurationError(
            f"Google's own client cannot {name} here: of a database in memory it gives references "
            "only. Read and write by models, or in a test by the datastore's put(), fields() and "
            "documents"
        )


def client_over(channel: Any, *, project: str, database: str) -> firestore.Client:
    """A client of which only references can be used, and the channel by who knows it.

    Whatever else is asked of it raises a :class:`~flask_boiler.errors.ConfigurationError`.
    """
    client = firestore.Client(
        project=project, credentials=AnonymousCredentials(), database=database
    )
    client._emulator_host = None
    client._firestore_api_internal = _ChannelAlone(channel)
    return client


def close_client(client: firestore.Client) -> None:
    """Close the connection of a client, which its own ``close`` leaves open."""
    client.close()
    if client._firestore_api_internal is not None:
        client._firestore_api_internal.transport.close()


def google_client(
    *, certificate: Path | None, project: str | None, database: str
) -> firestore.Client:
    """Google's client of a project; without a certificate, it uses the default credentials.

    :raises ConfigurationError: the credentials are not there or not usable.
    """
    credentials, own_project = (
        _from_certificate(certificate) if certificate else _default_credentials()
    )
    return firestore.Client(
        project=project or own_project, credentials=credentials, database=database
    )


def _from_certificate(path: Path) -> tuple[service_account.Credentials, str | None]:
    try:
        credentials = service_account.Credentials.from_service_account_file(str(path))
    except OSError as error:
        raise ConfigurationError(
            f"the certificate {path} cannot be read ({error.strerror}): correct certificate_path "
            "or certificate_filename"
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is not a service account's key file ({error}): create one in the Google "
            "Cloud console, IAM & Admin, Service Accounts, Keys"
        ) from error
    return credentials, credentials.project_id


def _default_credentials() -> tuple[Credentials, str | None]:
    try:
        credentials, project = google.auth.default()
    except DefaultCredentialsError as error:
        raise ConfigurationError(
            "there are no Google credentials: set certificate_path, or run "
            "'gcloud auth application-default login'; for a local Firestore set "
            'firestore="embedded" (BOILER_FIRESTORE=embedded), name no project, or set '
            f"emulator_host to one that runs ({error})"
        ) from error
    return credentials, project
