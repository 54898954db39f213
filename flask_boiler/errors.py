"""Every error that the framework raises.

::

    BoilerError                    .retryable = False
    ├─ ConfigurationError
    │  ├─ LocalFirestoreNotFoundError
    │  └─ MissingExtraError        .extra
    ├─ DeclarationError
    │  ├─ DuplicateModelError
    │  ├─ UnknownModelError
    │  ├─ CyclicRelationError
    │  └─ CyclicViewError
    ├─ ValidationError             .messages {attribute: [..]}       HTTP 422
    │  ├─ StoredDataError                                            HTTP 500
    │  └─ UnstorableError                                            HTTP 422
    ├─ RefusedError                                                  HTTP 409
    ├─ QueryError
    │  └─ MissingIndexError        .create_url
    ├─ DatastoreError
    │  ├─ DocumentNotFoundError    .path                             HTTP 404
    │  ├─ ConflictError *          .path                             HTTP 409
    │  └─ UnavailableError *       .outcome_unknown                  HTTP 503
    ├─ ListenError
    │  └─ TargetRejectedError      .target .cause
    ├─ MaterializationError        .key .attribute .read_time_ns
    └─ AuthError
       ├─ UnauthenticatedError                                       HTTP 401
       └─ PermissionDeniedError                                      HTTP 403

    * retryable: the same call may succeed when it is made again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

__all__ = [
    "AuthError",
    "BoilerError",
    "ConfigurationError",
    "ConflictError",
    "CyclicRelationError",
    "CyclicViewError",
    "DatastoreError",
    "DeclarationError",
    "DocumentNotFoundError",
    "DuplicateModelError",
    "ListenError",
    "LocalFirestoreNotFoundError",
    "MaterializationError",
    "MissingExtraError",
    "MissingIndexError",
    "PermissionDeniedError",
    "QueryError",
    "RefusedError",
    "StoredDataError",
    "TargetRejectedError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownModelError",
    "UnstorableError",
    "ValidationError",
]


class BoilerError(Exception):
    """The root of all errors of this package."""

    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500


class ConfigurationError(BoilerError):
    """The application is set up wrongly; it is raised at the start, before anything runs."""


class LocalFirestoreNotFoundError(ConfigurationError):
    """No Firestore was found on this machine that could be started."""


class MissingExtraError(ConfigurationError):
    """An optional dependency is not installed.

    :param extra: the pip extra that brings it, as in ``flask-boiler[extra]``.
    :param feature: what needs it.
    """

    def __init__(self, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs an optional dependency: pip install 'flask-boiler[{extra}]'"
        )
        self.extra = extra


class DeclarationError(BoilerError):
    """A model, store or view is declared wrongly; raised when its class is created."""


class DuplicateModelError(DeclarationError):
    """Two classes have the same ``obj_type``."""


class UnknownModelError(DeclarationError):
    """A name or an ``obj_type`` belongs to no known class, or to a class of a wrong kind."""


class CyclicRelationError(DeclarationError):
    """Nested relations lead back to where they start, so loading them would never end."""


class CyclicViewError(DeclarationError):
    """Views read each other in a circle, so none of them can ever be right."""


class ValidationError(BoilerError):
    """Input or a stored document does not have the declared fields or types.

    :param messages: what is wrong, by attribute.
    :param where: the document or object concerned, for the message.
    """

    http_status = 422
    #: Whether ``messages`` are by field, as they are of what came as a document or as JSON.
    by_field: bool = False

    def __init__(self, messages: Mapping[str, Sequence[str]], *, where: str = "") -> None:
        self.messages: dict[str, list[str]] = {key: list(value) for key, value in messages.items()}
        self.where = where
        lines = "; ".join(f"{key}: {' '.join(value)}" for key, value in self.messages.items())
        super().__init__(f"{where}: {lines}" if where else lines)


class StoredDataError(ValidationError):
    """A stored document does not have the declared fields or types; no input is at fault."""

    http_status = 500


class UnstorableError(ValidationError):
    """Firestore cannot store a document, for instance because it is too large.

    The messages are the server's own, which may name more than who sent the values should know.
    """


class RefusedError(BoilerError):
    """A command that the present state does not allow; raised by an application's setters.

    Unlike a :class:`ConflictError` it is not retried: the same command is refused again until the
    state has changed.
    """

    http_status = 409
    #: Whether the view's setters raised it, when the mutation had decided who may.
    by_setter: bool = False


class QueryError(BoilerError):
    """Firestore cannot express or answer a query."""

    http_status = 400


class MissingIndexError(QueryError):
    """A query needs a composite index that does not exist.

    :param create_url: the console page that creates it, or ``None`` if the server named none.
    """

    http_status = 500

    def __init__(self, message: str, *, create_url: str | None) -> None:
        super().__init__(message)
        self.create_url = create_url


class DatastoreError(BoilerError):
    """Firestore refused or failed an operation."""


class DocumentNotFoundError(DatastoreError):
    """A document that must exist does not exist.

    :param path: the document's path, relative to the database.
    """

    http_status = 404

    def __init__(self, path: str, message: str | None = None) -> None:
        super().__init__(message or f"there is no document {path}")
        self.path = path


class ConflictError(DatastoreError):
    """Somebody else changed what an operation had read; nothing was written.

    :param path: the document concerned, where it is known.
    """

    retryable = True
    http_status = 409

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class UnavailableError(DatastoreError):
    """Firestore could not be reached, or did not answer in time.

    :param outcome_unknown: the operation was a commit that may or may not have taken effect:
        look before repeating it.
    """

    retryable = True
    http_status = 503

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class ListenError(BoilerError):
    """Listening to Firestore failed."""


class TargetRejectedError(ListenError):
    """The server refuses to listen to one document or query; all others go on.

    :param target: the document path or query concerned.
    :param cause: the server's own words.
    """

    def __init__(self, target: object, cause: str) -> None:
        super().__init__(f"the server refuses to listen to {target}: {cause}")
        self.target = target
        self.cause = cause


class MaterializationError(BoilerError):
    """A view could not be computed or published; its last published value stays.

    :param key: the view.
    :param attribute: the attribute whose getter failed, if it was one.
    :param read_time_ns: the cut that it was computed on.
    """

    def __init__(
        self,
        message: str,
        *,
        key: object,
        attribute: str | None = None,
        read_time_ns: int | None = None,
    ) -> None:
        super().__init__(message)
        self.key = key
        self.attribute = attribute
        self.read_time_ns = read_time_ns


class AuthError(BoilerError):
    """The client is not known, or may not do what it asks for."""


class UnauthenticatedError(AuthError):
    """No valid credentials were given."""

    http_status = 401


class PermissionDeniedError(AuthError):
    """The client is known, and may not do what it asks for."""

    http_status = 403
