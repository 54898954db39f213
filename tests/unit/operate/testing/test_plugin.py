"""The pytest plugin where there is no Firestore; what it does with one is tested with one."""

import json
import subprocess
import sys

import pytest

NEEDS_ONE = """
    def test_that_needs_one(firestore_emulator):
        raise AssertionError("must not run")

    def test_that_needs_none():
        pass
"""


@pytest.fixture
def bare_machine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        "FIRESTORE_EMULATOR_HOST",
        "JAVA_HOME",
        "CLOUDSDK_ROOT_DIR",
        "FIREBASE_EMULATORS_PATH",
        "FLASK_BOILER_REQUIRE_ALL",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BOILER_FIRESTORE", "google-emulator")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(pytester.path))


@pytest.mark.usefixtures("bare_machine")
def test_tests_are_skipped_with_the_reason_where_nothing_can_be_started(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(NEEDS_ONE)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*SKIPPED*no local Firestore can be started here*"])


@pytest.mark.usefixtures("bare_machine")
def test_a_skip_is_a_failure_where_everything_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_BOILER_REQUIRE_ALL", "1")
    pytester.makepyfile(NEEDS_ONE)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        ["FLASK_BOILER_REQUIRE_ALL is set*no local Firestore can be started here*"]
    )


@pytest.mark.usefixtures("bare_machine")
def test_without_java_and_without_configuration_there_is_the_embedded_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOILER_FIRESTORE")
    # What is configured of Google's own is not for tests.
    pytester.makefile(".yaml", boiler="firestore: cloud\nproject: ours\n")
    pytester.makepyfile(
        """
        def test_a_document(firestore_emulator, boiler):
            assert firestore_emulator.owned
            place = boiler.context.db.document("cities/SF")
            place.set({"n": 1})
            assert place.get().to_dict() == {"n": 1}
            assert boiler.context.project != "ours"
        """
    )
    pytester.runpytest("-W", "error").assert_outcomes(passed=1)


@pytest.mark.usefixtures("bare_machine")
def test_the_files_section_for_testing_counts_whatever_else_the_shell_is_set_to(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOILER_FIRESTORE")
    monkeypatch.setenv("BOILER_RUNTIME", "production")
    pytester.makefile(".yaml", boiler="testing:\n  firestore: google-emulator\n")
    pytester.makepyfile(NEEDS_ONE)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*SKIPPED*no local Firestore can be started here*"])


def test_loading_the_plugin_imports_nothing_that_costs_time() -> None:
    program = (
        "import sys, json, pytest; before = set(sys.modules)\n"
        "import flask_boiler.operate.testing.plugin\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE
    )
    assert json.loads(done.stdout) == [
        "flask_boiler",
        "flask_boiler.operate",
        "flask_boiler.operate.testing",
        "flask_boiler.operate.testing.plugin",
    ]


def test_an_application_that_is_none_is_refused_in_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from flask_boiler.operate.extension import Boiler

        @pytest.fixture
        def boiler_app(boiler_config):
            return Boiler(config=boiler_config)

        def test_it(boiler):
            pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*it must return the Flask application*"])
