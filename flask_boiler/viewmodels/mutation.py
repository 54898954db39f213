"""Mutations: validated commands to a view, each one atomic commit.

::

    class CityMutation(Mutation[CityView]):
        view_model_cls = CityView

    CityMutation.mutate_patch("SF", {"name": "San Francisco"})

What the four commands mean for a view whose root is a domain model:

==========  ==================================================================================
``create``  a new document of the root's class, then the setters; it must not be there yet
``put``     the setters of *all* attributes that are both writable and shown; all are required,
            but for those that may be left out (``OMIT``)
``patch``   the setters of the attributes that are given
``delete``  deletes the root; what is kept of the view then is ``Meta.on_delete``'s to say
==========  ==================================================================================

Input is by attribute name, and is refused as a whole if any of it is unknown, read-only, missing
or of a wrong type. Setters run on the models of the view's store, and exactly those that they
changed are written (:meth:`~flask_boiler.ViewModel.propagate_change`). An attribute
without a setter is put on the view alone: a view that takes such input defines
``propagate_change`` to do something with it.

Everything happens in one optimistic transaction: what was read is verified by the commit, and a
conflict makes the whole command run again, so setters should have no other effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args

from flask_boiler.attrs.attribute import MISSING, Attr
from flask_boiler.errors import (
    ConfigurationError,
    ConflictError,
    RefusedError,
    ValidationError,
)
from flask_boiler.ground.callbacks import require_plain, require_plain_members, require_result
from flask_boiler.ground.readers import reading_through
from flask_boiler.models.collection import new_id
from flask_boiler.transactions.running import current_transaction, execute_transaction
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["Mutation", "carry_out", "require_changes"]

V = TypeVar("V", bound=ViewModel)
R = TypeVar("R")


class Mutation(Generic[V]):
    """The commands that change a view.

    The defaults change any view that has setters over what its store holds, and create and delete
    those of one root alone. ``doc_id`` names the view: for one root alone it is the root's id, and
    otherwise the key that :meth:`parts_of` takes apart. A
    subclass overrides single commands; one that reads and writes wraps that in
    :meth:`atomically`.
    """

    #: The view; ``Mutation[CityView]`` as the parent says it too.
    view_model_cls: ClassVar[type[ViewModel]]
    #: How often a command is tried that loses to others; then it is a ConflictError. That takes
    #: half a minute, and happens if something is wrong: who lost waits longer each time, and
    #: those of one process that want the same document take turns.
    max_attempts: ClassVar[int] = 20

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)
        if "view_model_cls" in vars(cls):
            return
        for parent in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(parent):
                if isinstance(argument, type) and issubclass(argument, ViewModel):
                    cls.view_model_cls = argument

    @classmethod
    def mutate_create(cls, doc_id: str | None = None, data: Mapping[str, Any] | None = None) -> V:
        """The view of a new root, on which the setters of ``data`` have run.

        :param doc_id: the root's id, or its path if it lies below another document; random if none
            is given, which a path cannot be.
        :raises ValidationError: naming each attribute that is wrong, or required and missing.
        :raises ConflictError: there is such a document already.
        """
        root = cls._root()
        root.require_document(f"{cls.__name__}.mutate_create")
        given = dict(data or {})
        wanted = root.path_of(doc_id or new_id())
        root.model.require_own_place(wanted)

        def create() -> V | None:
            if doc_id is not None and root.model.get(doc_ref=wanted) is not None:
                return None
            made = root.model.new(doc_ref=wanted)
            view = root.open_model(made)
            cls._assign(view, given, [n for n, a in view.attributes().items() if a.required])
            made.save(create=True)
            _propagate(view)
            root.forget_rest(view)
            return view

        view = cls.atomically(create)
        if view is None:
            # Raised here rather than inside, where it would be taken for a lost race and retried.
            raise ConflictError(f"{wanted} exists already", path=wanted)
        return view

    @classmethod
    def can(cls, operation: str) -> bool:
        """Whether a command means something for the views.

        The default ``create`` and ``delete`` make and delete the root of a view of one root alone.

        :param operation: ``create``, ``put``, ``patch`` or ``delete``.
        """
        if operation not in ("create", "delete") or cls._has_own(f"mutate_{operation}"):
            return True
        return cls._root().is_document

    @classmethod
    def can_create_by_put(cls) -> bool:
        """Whether :meth:`mutate_create` is asked by who puts a view that is not there.

        The default is, if it can build the view, unless the mutation has a :meth:`mutate_put` of
        its own: that may say who may put, and the default does not ask it.
        """
        if cls._has_own("mutate_create"):
            return True
        return cls._root().built_from_model and not cls._has_own("mutate_put")

    @classmethod
    def can_create_unnamed(cls) -> bool:
        """Whether :meth:`mutate_create` makes a view without a ``doc_id``.

        The default does not, if it cannot build the view, or needs the name of a parent, too.
        """
        if cls._has_own("mutate_create"):
            return True
        root = cls._root()
        return root.built_from_model and not root.model.keyed_by_path()

    @classmethod
    def parts_of(cls, doc_id: str) -> dict[str, Any]:
        """What a view is of, by the names of its store's slots: documents' ids, and values.

        ::

            @classmethod
            def mutate_delete(cls, doc_id):
                parts = cls.parts_of(doc_id)
                Room.get(parts["room"]).remove(parts["reader"])

        :param doc_id: the key that a command is given. For a view of one root alone it is the id;
            otherwise it has a part for each slot, with ``//`` between them. Of documents below
            others the part is the path.
        :raises ValidationError: it is no key of such a view.
        """
        return cls._root().values_of_key(doc_id)

    @classmethod
    def _has_own(cls, name: str) -> bool:
        """Whether a command is another than the default."""
        return getattr(cls, name).__func__ is not getattr(Mutation, name).__func__

    @classmethod
    def mutate_put(cls, doc_id: str, data: Mapping[str, Any]) -> V:
        """The view after its writable, shown attributes were all set.

        :param doc_id: the view's key, which :meth:`parts_of` takes apart.
        :raises ValidationError: naming each attribute that is wrong or missing.
        :raises DocumentNotFoundError: there is no such root.
        :raises ConflictError: every attempt lost to somebody else.
        """
        return cls._change(doc_id, data, _replaceable(cls.view_model_cls))

    @classmethod
    def mutate_patch(cls, doc_id: str, data: Mapping[str, Any]) -> V:
        """The view after the given attributes were set.

        :param doc_id: the view's key, which :meth:`parts_of` takes apart.
        :raises ValidationError: naming each attribute that is wrong.
        :raises DocumentNotFoundError: there is no such root.
        :raises ConflictError: every attempt lost to somebody else.
        """
        return cls._change(doc_id, data, [])

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        """Delete the root.

        :raises DocumentNotFoundError: there is no such root.
        """
        root = cls._root()
        root.require_document(f"{cls.__name__}.mutate_delete")
        path = root.path_of(doc_id)
        cls.atomically(lambda: root.model.get_or_raise(doc_ref=path).delete())

    @classmethod
    def atomically(cls, function: Callable[[], R]) -> R:
        """The result of ``function``, which runs in a transaction, and again after a conflict.

        In a transaction that is in force already it joins that, and is committed with it.

        :raises ConflictError: every attempt lost.
        """
        require_plain(function, "what runs atomically")
        if current_transaction() is not None:
            return function()
        # Whatever cut is in force, as in a getter, a command is about the database itself.
        with reading_through(None):
            return execute_transaction(
                lambda transaction: function(), max_attempts=cls.max_attempts
            )

    @classmethod
    def _root(cls) -> ViewSubject[V]:
        view_cls: Any = getattr(cls, "view_model_cls", None)
        if view_cls is None:
            raise ConfigurationError(
                f"{cls.__name__} does not say which view it changes: set its view_model_cls"
            )
        return ViewSubject(view_cls)

    @classmethod
    def _change(cls, doc_id: str, data: Mapping[str, Any], required: list[str]) -> V:
        root = cls._root()
        identity = root.identity(doc_id)

        def change() -> V:
            view = root.build(identity)
            try:
                cls._assign(view, data, required)
                _propagate(view)
            except RefusedError as error:
                error.by_setter = True
                raise
            root.forget_rest(view)
            return view

        return cls.atomically(change)

    @classmethod
    def _assign(cls, view: V, data: Mapping[str, Any], required: list[str]) -> None:
        missing = {name: [MISSING] for name in required if name not in data}
        if not missing:
            view.update_vals(with_dict=data)
            return
        wrong: dict[str, list[str]] = {}
        view._checked(data, view.attributes(), Attr.adopt, wrong)
        raise ValidationError({**missing, **wrong}, where=type(view).__name__)


def require_changes(mutation_cls: type[Mutation[Any]], view_cls: type[ViewModel]) -> None:
    """Check that a mutation changes views of a class, if it says which views it changes.

    :raises ConfigurationError: it changes others.
    """
    changed: type[ViewModel] = getattr(mutation_cls, "view_model_cls", view_cls)
    if not issubclass(view_cls, changed):
        raise ConfigurationError(
            f"{mutation_cls.__name__} changes {changed.__name__}, not {view_cls.__name__}"
        )


def carry_out(
    mutation_cls: type[Mutation[Any]], operation: str, *arguments: Any, **named: Any
) -> Any:
    """The result of a command, which is no coroutine: a decorator can hide that it is one.

    :param operation: ``create``, ``put``, ``patch`` or ``delete``.
    :raises ConfigurationError: it is a coroutine, and so nothing is done.
    """
    name = f"mutate_{operation}"
    result = getattr(mutation_cls, name)(*arguments, **named)
    return require_result(result, f"{mutation_cls.__name__}.{name}")


def _propagate(view: ViewModel) -> None:
    what = f"{type(view).__name__}.propagate_change"
    require_result(view.propagate_change(), what)  # type: ignore[func-returns-value]


def _replaceable(view_cls: type[ViewModel]) -> list[str]:
    """The attributes that a ``put`` has to give: all that the value has in any case."""
    return [
        name
        for name, attribute in view_cls.attributes().items()
        if not attribute.read_only and attribute.options.export_enabled and not attribute.says_omit
    ]
