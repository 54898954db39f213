"""The group of all commands, which loads the file of a command when that is asked for."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from flask_boiler.ground.naming import nearest

__all__ = ["CommandSet"]

#: The status of a process that Ctrl-C has ended, as shells have it.
_INTERRUPTED = 130
#: What writing fails with where output can go nowhere.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class CommandSet(click.Group):
    """Commands by name: each is ``command`` in the module of its name.

    :param package: the package that has the modules.
    :param names: of all commands.
    """

    def __init__(self, name: str, *, package: str, names: tuple[str, ...], help: str) -> None:
        super().__init__(name, help=help)
        self._package = package
        self._names = names

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; ``None`` if there is none."""
        if cmd_name not in self._names:
            return None
        command: click.Command = importlib.import_module(f"{self._package}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with.

        :raises UsageError: there is none of this name; it names those that there are.
        """
        if args and args[0] not in self._names and not args[0].startswith("-"):
            hint = nearest(args[0], self._names) or f"; there are {', '.join(sorted(self._names))}"
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Ctrl-C ends it in one line, with a status of its own.

        So does output that goes to a full disk.
        """
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _Unwritten(f"the output could not be written: {error.strerror}") from error
            raise
        except KeyboardInterrupt as interrupt:
            raise _interrupted() from interrupt
        except click.Abort as abort:
            # What a question makes of Ctrl-C.
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise _interrupted() from abort
            raise


class _Unwritten(click.ClickException):
    """A failure to write the output of a command: 1 would say that a list has found something."""

    exit_code = 2


def _interrupted() -> click.exceptions.Exit:
    click.echo("interrupted", err=True)
    return click.exceptions.Exit(_INTERRUPTED)
