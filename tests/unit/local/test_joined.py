"""Which server of a data file is joined, when processes come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_boiler.errors import ConfigurationError
from flask_boiler.local import joined
from flask_boiler.local.embedded.storage.file_lock import FileLock, Holder


def test_what_a_killed_process_has_left_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    # The second has the file, and has not said so yet when it is first looked at.
    seen = iter([Holder(1, "old:1"), Holder(2, None), *[Holder(2, "new:1")] * 2])
    monkeypatch.setattr(joined, "holder_of", lambda file: next(seen))
    assert joined.served_at("a.db") == "new:1"


def test_who_ends_while_it_is_joined_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.db")
    lock = FileLock(path)
    lock.announce("127.0.0.1:1")
    asked: list[str] = []

    def attach(address: str, **options: Any) -> None:
        asked.append(address)
        lock.release()
        raise ConfigurationError("nothing answers there")

    monkeypatch.setattr(joined, "AttachedFirestore", attach)
    assert joined.joined(path) is None
    assert asked == ["127.0.0.1:1"]


def test_who_has_a_file_and_does_not_answer_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.db")
    lock = FileLock(path)
    lock.announce("127.0.0.1:1")
    monkeypatch.setattr("flask_boiler.local.attached._ATTACH_TIMEOUT_S", 0.0)
    with pytest.raises(ConfigurationError, match=r"the address in .*a\.db\.lock is 127\.0\.0\.1:1"):
        joined.joined(path)
    lock.release()
