"""The configuration: its keys, their sources, and which source overrides which.

Later sources win::

    defaults  <  boiler.yaml  <  app.config["BOILER_*"]  <  environment (BOILER_*)

In the file and in ``app.config``, the section for the runtime wins over what stands beside it.

``Config(...)`` itself is taken as it stands. A key that does not exist is an error wherever
it is written, and so is a value of the wrong type.
"""

from __future__ import annotations

import dataclasses
import math
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args, get_origin

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.addresses import normalized_host
from flask_boiler.ground.naming import nearest

__all__ = ["Config", "FirestoreKind", "Runtime"]

Runtime: TypeAlias = Literal["development", "testing", "production"]
FirestoreKind: TypeAlias = Literal["embedded", "google-emulator", "cloud"]

_PREFIX = "BOILER_"
_YAML_NULL = "tag:yaml.org,2002:null"
_YAML_TRUTH = "tag:yaml.org,2002:bool"
_FILE_VARIABLE = "FB_CONFIG_FILENAME"
_DEFAULT_FILE = "boiler.yaml"
_CERTIFICATE = frozenset({"certificate_path", "certificate_filename"})
#: Relative to the configuration file.
_PATHS = _CERTIFICATE | {"firestore_file"}
#: What else SQLite would take for one, or the system for a directory.
_NO_FILES = frozenset({"", ":memory:"})
_PORTS = range(2**16)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _key(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration of an application: how it runs, and with which database. Immutable.

    ::

        Config(app_name="cities", project="my-project", runtime="production")

    :raises ConfigurationError: a key does not exist, or a value has the wrong type.
    """

    app_name: str = _key(
        "boiler", "the name of the application; a local project is called 'demo-' and this name"
    )
    runtime: Runtime = _key("development", "which section of the file is used")  # noqa: RUF009
    project: str | None = _key(None, "the Google Cloud project")
    database: str = _key("(default)", "the Firestore database in the project")
    debug: bool = _key(False, "more checks, which cost speed")
    testing: bool = _key(False, "the application is being tested")
    certificate_path: str | None = _key(None, "the service account's key file")
    certificate_filename: str | None = _key(
        None,
        (
            "the name of that file, if it is beside the configuration file or in the working "
            "directory"
        ),
    )
    web_api_key: str | None = _key(
        None, "the key with which pages reach a project in Google's cloud; it is not secret"
    )
    storage_bucket_name: str | None = _key(None, "the bucket of Firebase Storage")
    firestore: FirestoreKind | None = _key(None, "which Firestore; else the other keys decide")  # noqa: RUF009
    firestore_file: str | None = _key(
        None, "the file in which the embedded Firestore keeps its data, instead of in memory"
    )
    firestore_port: int = _key(0, "the local Firestore's port; 0 for a free one")
    firestore_trusted_hosts: str | None = _key(
        None,
        (
            "host names under which browsers may reach the embedded Firestore, and whose pages "
            "may use it"
        ),
    )
    firestore_own_process: bool = _key(
        False, "whether the embedded Firestore gets a process of its own"
    )
    emulator_host: str | None = _key(
        None, "HOST:PORT of a Firestore emulator that is already running"
    )
    emulator_jar: str | None = _key(None, "the file of the emulator, if it is not found")
    compute_threads: int = _key(
        2, "how many threads run getters; a getter that blocks occupies one"
    )
    request_timeout_s: float = _key(
        10.0, "how long an HTTP request waits for a Firestore that does not answer, in seconds"
    )

    trigger_audience: str | None = _key(
        None, "the audience of the OIDC tokens of triggers; if it is not set, no token is required"
    )
    trigger_email: str | None = _key(None, "the service account of these tokens")
    trigger_certs_url: str = _key(
        "https://www.googleapis.com/oauth2/v1/certs",
        "the address of the certificates for these tokens",
    )

    def __new__(cls, **values: Any) -> Self:
        """Refuse unknown keys before the generated ``__init__`` would, and with a suggestion."""
        for name in values:
            _require_known(name, f"Config({name}=...)")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, value in self.items():
            _checked(name, value, f"Config({name}={value!r})")
        if self.compute_threads < 1:
            raise ConfigurationError(
                f"compute_threads is {self.compute_threads}: at least one thread is needed to "
                "compute views"
            )
        if not 0 < self.request_timeout_s < math.inf:
            raise ConfigurationError(
                f"request_timeout_s is {self.request_timeout_s}: it must be a number of seconds "
                "greater than 0"
            )
        if self.certificate_path is not None and self.certificate_filename is not None:
            raise ConfigurationError(
                "certificate_path and certificate_filename are both set, and mean the same file: "
                "remove one of them"
            )
        if self.emulator_host is not None:
            host = normalized_host(self.emulator_host, named_by="emulator_host")
            object.__setattr__(self, "emulator_host", host)
        if (self.trigger_audience is None) != (self.trigger_email is None):
            raise ConfigurationError(
                "trigger_audience and trigger_email must be set together: anybody can get a token "
                "for any audience, so the account must be checked, too"
            )
        self._check_firestore()

    def _check_firestore(self) -> None:
        if self.firestore_port not in _PORTS:
            raise ConfigurationError(
                f"firestore_port is {self.firestore_port}: a port is a number from 0 to 65535"
            )
        if self.firestore_file is not None and Path(self.firestore_file).name in _NO_FILES:
            raise ConfigurationError(
                f"firestore_file is {self.firestore_file!r}, which is not a file: name a file, or "
                "remove firestore_file to keep the data in memory"
            )
        if self.firestore_file is not None and self.chosen_firestore != "embedded":
            raise ConfigurationError(
                f"firestore_file is set, and firestore is {self.chosen_firestore}: only the "
                "embedded Firestore uses this file. Set firestore to embedded, or remove "
                "firestore_file"
            )
        if self.firestore == "cloud" and self.emulator_host is not None:
            raise ConfigurationError(
                f"firestore is cloud, and emulator_host is {self.emulator_host}: remove one of them"
            )
        if self.runtime == "production" and self._loses_data:
            raise ConfigurationError(
                f"firestore is {self.firestore} in production, where it would lose its data when "
                "it ends: set it to cloud, or to embedded with a firestore_file"
            )

    @property
    def _loses_data(self) -> bool:
        if self.firestore == "embedded":
            return self.firestore_file is None and self.emulator_host is None
        return self.firestore == "google-emulator"

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        over: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """The configuration in a file, overridden by the environment.

        :param path: a YAML file; by default the one that ``FB_CONFIG_FILENAME`` names, else
            ``boiler.yaml`` in the working directory, if it is there.
        :param over: a mapping such as ``app.config``, read as by :meth:`from_mapping`, which wins
            over the file, and the environment over both.
        :param environ: the variables; without it, those of this process.
        :raises ConfigurationError: with the file and line, or the variable, and what to write.
        """
        variables = os.environ if environ is None else environ
        named = path or variables.get(_FILE_VARIABLE)
        sources = [_read_file(Path(named)) if named else _read_default_file()]
        if over is not None:
            sources.append(_read_mapping(over))
        return cls._assembled(sources, variables)

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
    ) -> Self:
        """The ``BOILER_*`` keys of a mapping such as ``app.config``, overridden by the environment.

        ``TESTING`` and ``DEBUG`` of the mapping count where the ``BOILER_`` key is not there. No
        file is read.

        :param environ: the variables; without it, those of this process.
        :raises ConfigurationError: naming the key.
        """
        variables = os.environ if environ is None else environ
        return cls._assembled([_read_mapping(mapping)], variables)

    @classmethod
    def keys(cls) -> Mapping[str, str]:
        """The names of all keys, with their meanings."""
        return {f.name: f.metadata["doc"] for f in dataclasses.fields(cls)}

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names of all keys, with their values."""
        return ((name, getattr(self, name)) for name in self.keys())

    def but(self, **changes: Any) -> Self:
        """The same configuration with some values replaced."""
        return type(self)(**{**dict(self.items()), **changes})

    @property
    def chosen_firestore(self) -> FirestoreKind:
        """The kind of Firestore that is used if no running one is named by its host.

        What ``firestore`` says; else ``embedded`` if there is a ``firestore_file``, ``cloud`` if
        there is a project or a certificate or the runtime is production, and ``embedded``.
        """
        if self.firestore is not None:
            return self.firestore
        if self.firestore_file is not None:
            return "embedded"
        named = self.project is not None or self.certificate is not None
        return "cloud" if named or self.runtime == "production" else "embedded"

    @property
    def certificate(self) -> Path | None:
        """The path of the service account's key file, or ``None`` if none is configured."""
        given = self.certificate_path or self.certificate_filename
        return Path(given).expanduser() if given else None

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """The names in ``firestore_trusted_hosts``, as a sequence."""
        return tuple((self.firestore_trusted_hosts or "").replace(",", " ").split())

    @classmethod
    def _assembled(cls, sources: list[_Settings], environ: Mapping[str, str]) -> Self:
        """The configuration of several sources; later sources override earlier ones."""
        from_environment = _Settings("the environment")
        for variable, text in environ.items():
            if variable.startswith(_PREFIX):
                from_environment.take_text(variable, text)
        sources = [*sources, from_environment]
        chosen = {name: value for source in sources for name, value in source.values.items()}
        runtime = chosen.get("runtime", "testing" if chosen.get("testing") else "development")
        values: dict[str, Any] = {}
        for source in sources:
            for winner in (source.values, source.sections.get(runtime, {})):
                values = _overridden(values, winner)
        return cls(**{**values, "runtime": runtime})


class _Settings:
    """The values of one source, which are checked when they are added, and its sections."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.values: dict[str, Any] = {}
        self.sections: dict[str, dict[str, Any]] = {}

    def put(self, name: str, value: Any, where: str) -> None:
        _require_known(name, where)
        self.values[name] = _checked(name, value, where)

    def take(self, name: str, value: Any, where: str) -> None:
        if not _is_section(name, isinstance(value, bool)):
            self.put(name, value, where)
            return
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{where}: the section {name!r} must contain keys and values")
        self.take_section(name, [(key, item, f"{where}[{key!r}]") for key, item in value.items()])

    def take_section(self, runtime: str, entries: list[tuple[str, Any, str]]) -> None:
        section = _Settings(self.source)
        for name, value, where in entries:
            if name == "runtime":
                raise ConfigurationError(
                    f"{where}: 'runtime' chooses the section, so it cannot be inside a section"
                )
            section.put(name, value, where)
        self.sections[runtime] = section.values

    def take_text(self, variable: str, text: str) -> None:
        name = variable.removeprefix(_PREFIX).lower()
        where = f"the environment variable {variable}"
        _require_known(name, where)
        self.values[name] = _checked(name, _parsed(name, text, f"{where}={text!r}"), where)

    def locate_files(self, directory: Path) -> None:
        for values in (self.values, *self.sections.values()):
            for name in _PATHS:
                if values.get(name):
                    values[name] = str(directory / Path(values[name]).expanduser())


def _is_section(name: str, holds_truth: bool) -> bool:
    # 'testing' is both: true or false of the application, and what holds under test.
    return name in get_args(Runtime) and not (holds_truth and name in _types())


def _overridden(values: dict[str, Any], winner: dict[str, Any]) -> dict[str, Any]:
    # Two spellings of one setting: whichever the winner uses replaces both.
    if not _CERTIFICATE.isdisjoint(winner):
        values = {name: value for name, value in values.items() if name not in _CERTIFICATE}
    return {**values, **winner}


@cache
def _types() -> dict[str, Any]:
    return typing.get_type_hints(Config)


def _require_known(name: object, where: str) -> None:
    keys = Config.keys()
    if name in keys:
        return
    hint = nearest(name, [*keys, *get_args(Runtime)]) or f"; the keys are {', '.join(keys)}"
    raise ConfigurationError(f"{where}: there is no key {name!r}{hint}")


def _checked(name: str, value: Any, where: str) -> Any:
    expected = _alternatives(_types()[name])
    if value is None and type(None) in expected:
        return value
    if isinstance(value, os.PathLike) and str in expected:
        return os.fspath(value)
    if any(_fits(value, kind) for kind in expected):
        return value
    raise ConfigurationError(f"{where}: {name} must be {_described(expected)}, not {value!r}")


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


_WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def _described(kinds: tuple[Any, ...]) -> str:
    words = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            words.append("one of " + ", ".join(get_args(kind)))
        elif kind is not type(None):
            words.append(_WORDS[kind])
    return " or ".join(words)


def _parsed(name: str, text: str, where: str) -> Any:
    for kind in _alternatives(_types()[name]):
        if kind is bool:
            return _parsed_bool(name, text, where)
        if kind in (int, float):
            return _parsed_number(kind, name, text, where)
    return text or None if type(None) in _alternatives(_types()[name]) else text


def _parsed_bool(name: str, text: str, where: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ConfigurationError(f"{where}: {name} must be one of 1, true, yes, on, 0, false, no, off")


def _parsed_number(kind: Callable[[str], Any], name: str, text: str, where: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ConfigurationError(f"{where}: {name} must be {_WORDS[kind]}") from None  # type: ignore[index]


def _read_mapping(mapping: Mapping[str, Any]) -> _Settings:
    found = _Settings("the application's configuration")
    for plain in ("TESTING", "DEBUG"):
        if mapping.get(plain):
            found.put(plain.lower(), True, plain)
    for name, value in mapping.items():
        if name.startswith(_PREFIX):
            found.take(name.removeprefix(_PREFIX).lower(), value, f"app.config[{name!r}]")
    return found


def _read_default_file() -> _Settings:
    path = Path(_DEFAULT_FILE)
    if path.exists():
        return _read_file(path)
    misnamed = path.with_suffix(".yml")
    if misnamed.exists():
        raise ConfigurationError(
            f"{misnamed} is not read: rename it to {path}, or set {_FILE_VARIABLE}={misnamed}"
        )
    return _Settings("the environment")


def _read_file(path: Path) -> _Settings:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the configuration file {path} cannot be read ({error.strerror}): create it, or set "
            f"{_FILE_VARIABLE} to another file"
        ) from error
    loader = yaml.SafeLoader(text)
    try:
        settings = _collect(loader, loader.get_single_node(), path)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    finally:
        loader.dispose()
    settings.locate_files(path.absolute().parent)
    return settings


def _collect(loader: Any, root: Any, path: Path) -> _Settings:
    settings = _Settings(str(path))
    for name, node, where in _entries(loader, root, path):
        if _is_section(name, node.tag == _YAML_TRUTH):
            if node.tag != _YAML_NULL and node.id != "mapping":
                truth = ", or true or false" if name == "testing" else ""
                raise ConfigurationError(
                    f"{where}: {name!r} is a section: expected keys and values below it, as in "
                    f"'project: my-id'{truth}"
                )
            section = _entries(loader, node, path)
            settings.take_section(
                name, [(n, loader.construct_object(v, deep=True), w) for n, v, w in section]
            )
        else:
            settings.put(name, loader.construct_object(node, deep=True), where)
    return settings


def _entries(loader: Any, node: Any, path: Path) -> list[tuple[Any, Any, str]]:
    if node is None or node.tag == _YAML_NULL:
        return []
    if node.id != "mapping":
        raise ConfigurationError(
            f"{path}, line {node.start_mark.line + 1}: expected keys and values, 'project: my-id'"
        )
    _refuse_duplicates(node, path)
    loader.flatten_mapping(node)
    return [
        (loader.construct_object(key, deep=True), value, _place(key, path))
        for key, value in node.value
    ]


def _refuse_duplicates(node: Any, path: Path) -> None:
    # YAML forbids them, and the parser takes the last. Asked before what '<<' merges is among them,
    # which may be overridden.
    first: dict[str, Any] = {}
    for key, _ in node.value:
        if key.id != "scalar":
            raise ConfigurationError(
                f"{_place(key, path)}: a key is one word, like 'project' in 'project: x'"
            )
        name = key.value
        if name in first:
            raise ConfigurationError(
                f"{_place(key, path)}: {name!r} is already in line "
                f"{first[name].start_mark.line + 1}: remove one of them"
            )
        first[name] = key


def _place(key: Any, path: Path) -> str:
    return f"{path}, line {key.start_mark.line + 1}"
