"""View models: pure functions of a store, kept where a front end can read them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from flask_boiler.attrs.annotations import local_names
from flask_boiler.attrs.model_state import OMIT
from flask_boiler.attrs.through import PassedThrough, PassingView, ThroughAttr
from flask_boiler.attrs.type_source import TypeSource
from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    ConflictError,
    DeclarationError,
    DocumentNotFoundError,
    MaterializationError,
)
from flask_boiler.firestore.native import copied
from flask_boiler.ground.callbacks import is_failure, require_plain, require_result
from flask_boiler.ground.ports import Incomplete, provided
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import Precondition, Snapshot, Target, Write
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.transactions.running import joined_transaction
from flask_boiler.transactions.snapshot_cut import compute_once
from flask_boiler.viewmodels.passing_through import check_passing_through, slot_attribute
from flask_boiler.viewmodels.placed_view import PlacedView
from flask_boiler.viewmodels.slots.slot import MemberWanted, Slot
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.stored_view import StoredView

__all__ = [
    "ViewModel",
    "has_own_new",
    "notify_error",
    "overrides_notify",
    "publishes",
    "require_view_class",
    "store_class",
]

#: How often a view that is saved looks again when others write at its places meanwhile.
_SAVE_ATTEMPTS = 5

V = TypeVar("V", bound="ViewModel")


class _LiveViews(Protocol):
    """The object for the role ``live_views`` of a context, which keeps views live."""

    def open(
        self,
        view_cls: type[V],
        arguments: Mapping[str, Any],
        *,
        f_notify: Callable[[V], None] | None,
        timeout_s: float,
    ) -> V:
        """A view that follows its sources until it is closed; see :meth:`ViewModel.get`."""
        ...


class ViewModel(PlacedView, PassingView):
    """A view: attributes computed from a store, and where they are kept.

    ::

        class CityStore(Store):
            city = root(City)

        class CityView(ViewModel):
            store: CityStore

            class Meta:
                path = "cityView/{city.doc_id}"

            @attrs.computed
            def name(self) -> str:
                return self.store.city.city_name

    Getters read ``self.store``, setters write to its models. What is read is recorded, so a
    mediator knows when to compute the view again.

    ``Meta.path`` is a template over the store's slots; a ``doc_ref`` or ``doc_refs``
    property says the same in code. ``Meta.on_delete`` says what happens to the documents when
    the root is deleted: ``"delete"`` (default), ``"keep"``, or a function that takes a stored
    document's fields and returns those to leave there, or ``None`` to delete it.

    A view is kept where nobody else's documents are. A path in the collection of a domain model is
    refused (``DeclarationError``), and a document that is not known to be the view's (by the
    framework's record of places, or by its ``obj_type``) is not overwritten, unless
    ``Meta.adopt = True`` says that it is to be taken over.
    """

    #: What the class says of its store, and the names that this means.
    _store_annotation: ClassVar[tuple[Any, Mapping[str, Any]]] = (Store, {})

    store: Any

    def __init_subclass__(cls, **options: Any) -> None:
        _require_annotated(cls)
        annotation = inspect.get_annotations(cls).get("store")
        if annotation is not None:
            names = local_names(cls, [TypeSource(annotation)])
            cls._store_annotation = (annotation, names)
        super().__init_subclass__(**options)

    def __init__(self, *, store: Store | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self.store = store
        self._release: Callable[[], None] | None = None
        self._shared_fields: Mapping[str, Any] = {}
        self._notify: Callable[[Any], None] | None = None

    if TYPE_CHECKING:
        # A class may define `new` its own way, as the specification does; only this signature
        # lets type checkers agree.
        @classmethod
        def new(cls, *args: Any, **kwargs: Any) -> Self:
            """A view of the given subject: ``new(doc_id=None, **subject)``."""
            ...

    else:

        @classmethod
        def new(cls, doc_id: str | None = None, **subject: Any) -> Self:
            """A view of the given subject, computed when its attributes are read.

            :param doc_id: the id of the root, if the view is of one root alone.
            :param subject: by the store's names: of roots and of the member of an ``each`` ids,
                references, snapshots or loaded models; of parameters their values.
            :raises DocumentNotFoundError: a root does not exist, or the member is none.
            :raises DeclarationError: a part of the subject is missing or unknown.
            :raises ValidationError: a parameter is of another type.
            """
            store_cls = store_class(cls)
            if doc_id is not None:
                subject = {**subject, _only_root(cls, store_cls): doc_id}
            slots = store_cls.subject_slots()
            absent = [slot.name for slot in slots if slot.name not in subject]
            if absent:
                unknown = subject.keys() - store_cls.declared_slots().keys()
                instead = f", and was given {', '.join(sorted(unknown))}" if unknown else ""
                raise DeclarationError(f"{cls.__name__}.new needs {', '.join(absent)}{instead}")
            store = store_cls(**subject)
            for slot in slots:
                if slot is not store_cls.each_slot():
                    _require_there(store, slot, subject[slot.name])
            store.require_member()
            return cls(store=store)

    @classmethod
    def get(
        cls,
        doc_id: str | None = None,
        *,
        once: bool = True,
        f_notify: Callable[[Self], None] | None = None,
        timeout_s: float = 10.0,
        **arguments: Any,
    ) -> Self:
        """The view with its first value, consistent at one time.

        ::

            with CityView.get("SF", once=False, f_notify=show) as view:
                show(view)

        Inside a getter, a mediator or a transaction, a view that is wanted once reads what is
        read there, as of the same time.

        :param once: ``False`` keeps it live until it is closed.
        :param f_notify: called with the view after each change of its value, one call at a
            time, on a thread of the framework's.
        :param timeout_s: how long to wait for the first value of a live view.
        :param arguments: what ``new`` takes.

        :raises DocumentNotFoundError: a root does not exist.
        :raises MaterializationError: a getter raised.
        :raises TimeoutError: there was no first value in time.
        """
        require_plain(f_notify, "f_notify")
        context = current_context()
        if doc_id is not None:
            arguments["doc_id"] = doc_id
        if once and current_reader() is not None:
            # Inside a getter or a transaction: as of the same time as everything else there.
            return cls._computed(arguments)
        if once:
            return compute_once(lambda: cls._computed(arguments), context.datastore)
        live: _LiveViews = provided("live_views")(context)
        return live.open(cls, arguments, f_notify=f_notify, timeout_s=timeout_s)

    @classmethod
    def _computed(cls, arguments: Mapping[str, Any]) -> Self:
        view = cls.new(**arguments)
        view.to_document()
        return view

    @classmethod
    def from_snapshot(cls, snapshot: Any) -> Any:
        """The stored view of a snapshot: what was published, nothing computed."""
        return StoredView(cls, snapshot)

    @classmethod
    def _check_declaration(cls) -> None:
        super()._check_declaration()
        check_passing_through(cls)
        template = cls.path_template()
        if template is None:
            return
        try:
            store_cls = store_class(cls)
        except DeclarationError:
            # Annotated with a store that comes later, say: said when the view is first needed.
            return
        template.check(store_cls)

    @classmethod
    def require_place(cls) -> None:
        """Check that the class says where its views are kept, each at a place of its own.

        :raises ConfigurationError: it does not say.
        :raises DeclarationError: what it names is not there, or is not enough to tell views apart;
            or domain documents, or the framework's, lie where it says.
        """
        super().require_place()
        template = cls.path_template()
        if template is not None and not has_own_new(cls):
            template.check_fields(store_class(cls))
            template.require_all_parts(store_class(cls))

    @classmethod
    def _passed_through(cls, attribute: ThroughAttr[Any]) -> PassedThrough:
        return slot_attribute(attribute, store_class(cls))

    def to_document(self) -> dict[str, Any]:
        """The stored form of the view, but for what names its place.

        :raises MaterializationError: a getter raised; it is named.
        :raises Incomplete: some of what the getters read is not at hand yet; all that is missing
            for any of them is named, so that one round of reads serves them all.
        """
        return self._to_fields(of_all_members=False)

    def fields_of_all_members(self) -> dict[str, Any]:
        """The part of the stored form that is the same for all members of an ``each``.

        It is asked of a view without a member; what is left out for all is ``OMIT``, and errors are
        those of :meth:`to_document`.
        """
        return self._to_fields(of_all_members=True)

    def take_fields(self, fields: Mapping[str, Any]) -> None:
        """Have these fields in the stored form, rather than compute them."""
        self._shared_fields = fields

    def _to_fields(self, *, of_all_members: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        missing: set[Target] = set()
        for name, attribute in self.attributes().items():
            if not attribute.options.export_enabled:
                continue
            try:
                value = self._shared_or_dumped(name, attribute.data_key)
            except MemberWanted:
                if not of_all_members:
                    raise
                self.store.wanted_member()
                continue
            except Incomplete as incomplete:
                missing |= incomplete.missing
            except BoilerError:
                if of_all_members and self.store.wanted_member():
                    break
                if not missing:
                    raise
                # It is raised again when everything is at hand, if it is still true then.
                break
            else:
                if of_all_members and self.store.wanted_member():
                    # Its getter has caught the signal, and may have kept what came of that.
                    break
                if value is not OMIT or of_all_members:
                    fields[attribute.data_key] = value
        if missing:
            raise Incomplete(missing)
        return fields

    def _shared_or_dumped(self, name: str, field: str) -> Any:
        if field in self._shared_fields:
            # Whoever asks for the document may change it.
            return copied(self._shared_fields[field])
        return self._dumped(name)

    def _dumped(self, name: str) -> Any:
        try:
            return self.dump_attribute(name)
        except BoilerError:
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            raise self._failed(name, error) from error

    def save(self) -> None:
        """Write the view to its places as it is now, in one commit.

        :raises MaterializationError: at one of them is a document that is not the view's.
        :raises ConflictError: somebody else wrote there meanwhile, again and again.
        """
        fields = self.to_document()
        documents = {place: {**fields, **self.identity(place)} for place in self.places()}
        datastore = current_context().datastore
        for attempt in range(_SAVE_ATTEMPTS):
            stored = datastore.get(documents)
            self.require_own(stored.values())
            writes = [
                Write("set", place, document, precondition=_as_seen(stored[place]))
                for place, document in documents.items()
            ]
            try:
                datastore.commit(writes)
            except ConflictError:
                if attempt == _SAVE_ATTEMPTS - 1:
                    raise
            else:
                return

    def propagate_change(self) -> None:
        """Save exactly the models of the store that setters changed, atomically.

        :raises ConflictError: somebody else changed one of them meanwhile; nothing is saved.
        """
        with joined_transaction() as tx:
            for model in self.store.models():
                # Documents of other views are read here too; those are not for us to write.
                if isinstance(model, DomainModel):
                    model.save(transaction=tx)

    def notify(self) -> None:
        """Publish a new value of the view: to whoever follows it, or where a mediator keeps it.

        Override it to do something when the view has changed, or to decide whether to publish::

            def notify(self) -> None:
                if self.is_complete:
                    super().notify()

        Every mediator that keeps the view calls it for each new value, at least once: again if
        the value could not be published, or the process ended first. What is published is the
        value that was computed, as soon as ``notify`` has returned. Without ``super().notify()``
        what was published before stays. A view that nobody keeps or follows is saved.
        """
        if self._notify is None:
            self.save()
        else:
            self._notify(self)

    def follow(self, release: Callable[[], None], f_notify: Callable[[Any], None] | None) -> None:
        """Take up a life of its own: whom to notify, and what to release at the end."""
        self._release = release
        self._notify = f_notify or _ignore

    def become(self, newest: Self) -> None:
        """Take over the store, and so the values, of a newer computation."""
        self.store = newest.store

    def close(self) -> None:
        """Follow no changes any more; releases every listener that was the view's alone."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def require_view_class(given: object) -> None:
    """Check that what an application gives as a view's class is one.

    :raises ConfigurationError: it is not.
    """
    if not isinstance(given, type) or not issubclass(given, ViewModel):
        said = given.__name__ if isinstance(given, type) else f"{given!r:.80}"
        raise ConfigurationError(f"{said} is not a view model: expected a subclass of ViewModel")


def has_own_new(view_cls: type[ViewModel]) -> bool:
    """Whether the ``new`` of a class is another than the one that all views inherit."""
    inherited: Any = ViewModel.new
    return getattr(view_cls.new, "__func__", None) is not inherited.__func__


def overrides_notify(view_cls: type[ViewModel]) -> bool:
    """Whether a class overrides ``notify``, so that whoever keeps its views is to call it."""
    return view_cls.notify is not ViewModel.notify


def publishes(view: ViewModel, *, but: Callable[[BaseException], bool]) -> bool:
    """Call the ``notify`` of a view that somebody keeps; whether it publishes the view.

    :param but: which errors concern the keeper: they are raised as they are.
    :raises MaterializationError: it raised; the class and ``notify`` are named.
    """
    published = False

    def publish(view: object) -> None:
        nonlocal published
        published = True

    view._notify = publish
    notify: Callable[[], object] = view.notify
    try:
        require_result(notify(), f"{type(view).__name__}.notify")
    except BaseException as error:
        if but(error) or not is_failure(error):
            raise
        raise notify_error(view, error) from error
    return published


def notify_error(view: ViewModel, error: BaseException) -> MaterializationError:
    """The error of a view whose own ``notify`` raised, which names both."""
    failed = view._failed("notify", error)
    failed.__cause__ = error
    return failed


def store_class(cls: type[ViewModel]) -> type[Store]:
    """The store that a view names by annotation; an empty one if it names none.

    :raises ConfigurationError: the class is no view model.
    :raises DeclarationError: the annotation is no store.
    """
    require_view_class(cls)
    annotation, names = cls._store_annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, vars(sys.modules[cls.__module__]), dict(names))
        except NameError as error:
            raise DeclarationError(
                f"{cls.__name__}.store is annotated {annotation!r}, and {error}"
            ) from error
        cls._store_annotation = (annotation, {})
    if isinstance(annotation, type) and issubclass(annotation, Store):
        return annotation
    raise DeclarationError(
        f"{cls.__name__}.store is annotated {annotation!r}, which is not a Store"
    )


def _as_seen(stored: Snapshot) -> Precondition:
    if stored.exists:
        return Precondition(update_time_ns=stored.update_time_ns)
    return Precondition(exists=False)


def _ignore(view: Any) -> None:
    """Whoever follows without f_notify looks when it likes."""


def _require_annotated(cls: type[ViewModel]) -> None:
    """Check that a class does not assign its store where it is to annotate it.

    :raises DeclarationError: it does.
    """
    assigned = vars(cls).get("store")
    if isinstance(assigned, type) and issubclass(assigned, Store):
        name = assigned.__name__
        raise DeclarationError(
            f"{cls.__name__} has 'store = {name}': annotate it, as in 'store: {name}'"
        )


def _only_root(cls: type[ViewModel], store_cls: type[Store]) -> str:
    names = [slot.name for slot in store_cls.subject_slots()]
    if len(names) != 1 or names != store_cls.roots():
        said = f"{len(names)}: {', '.join(names)}" if names else "none"
        by_name = ", ".join(f"{name}=…" for name in names)
        raise DeclarationError(
            f"{cls.__name__}.new takes a doc_id only if its view is of one root alone; "
            f"{store_cls.__name__} has {said}. Write {cls.__name__}.new({by_name})"
        )
    return names[0]


def _require_there(store: Store, slot: Slot[Any], pointed: Any) -> None:
    """Check that there is what a slot of the subject points to."""
    if getattr(store, slot.name) is None:
        # Of a plain reference: of a root, reading it says so.
        raise DocumentNotFoundError(slot.part_of(pointed))
