"""Where configuration comes from, which source wins, and what its errors say."""

from __future__ import annotations

import inspect
import pydoc
from pathlib import Path
from typing import Any

import pytest

from flask_boiler.context.config import Config
from flask_boiler.errors import ConfigurationError


def write(directory: Path, text: str, name: str = "boiler.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def load(directory: Path, text: str, **environ: str) -> Config:
    return Config.load(write(directory, text), environ=environ)


def refusal(directory: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(directory, text, **environ)
    return str(caught.value)


def test_defaults() -> None:
    config = Config()
    assert (config.runtime, config.database, config.project) == ("development", "(default)", None)
    assert not config.debug
    assert config.certificate is None


def test_an_unknown_key_names_the_nearest() -> None:
    values: dict[str, Any] = {"projct": "x"}
    with pytest.raises(ConfigurationError, match="no key 'projct'; did you mean 'project'"):
        Config(**values)


def test_a_key_that_is_like_no_other_gets_the_list() -> None:
    values: dict[str, Any] = {"zzz": 1}
    with pytest.raises(ConfigurationError, match="the keys are app_name, runtime, project"):
        Config(**values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"debug": "yes"}, "debug must be true or false, not 'yes'"),
        ({"project": 7}, "project must be a text, not 7"),
        ({"app_name": None}, "app_name must be a text, not None"),
        ({"runtime": "staging"}, "runtime must be one of development, testing, production"),
    ],
)
def test_a_wrong_type_is_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        Config(**values)


def test_both_spellings_of_the_certificate_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="remove one of them"):
        Config(certificate_path="a", certificate_filename="b")


def test_but_replaces_and_leaves_the_original() -> None:
    config = Config(project="one")
    assert config.but(project="two").project == "two"
    assert config.project == "one"


def test_every_key_is_explained() -> None:
    assert all(Config.keys().values())
    assert dict(Config(project="x").items())["project"] == "x"


def test_a_path_is_accepted_for_a_text() -> None:
    assert Config(certificate_path=Path("key.json")).certificate == Path("key.json")  # type: ignore[arg-type]


def test_a_file_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, "app_name: cities\nproject: my-project\ndebug: true\n")
    assert (config.app_name, config.project, config.debug) == ("cities", "my-project", True)


def test_an_empty_file_is_no_configuration(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Config()


def test_the_section_of_the_runtime_wins_over_the_top(tmp_path: Path) -> None:
    text = """
project: shared
runtime: production
testing:
  project: for-tests
production:
  project: real
  debug: false
"""
    assert load(tmp_path, text).project == "real"
    assert load(tmp_path, text, BOILER_RUNTIME="testing").project == "for-tests"
    assert load(tmp_path, text, BOILER_RUNTIME="development").project == "shared"


def test_testing_alone_chooses_the_testing_runtime(tmp_path: Path) -> None:
    config = load(tmp_path, "testing:\n  project: for-tests\n", BOILER_TESTING="1")
    assert (config.runtime, config.project) == ("testing", "for-tests")


def test_testing_is_a_key_of_the_file_too(tmp_path: Path) -> None:
    config = load(tmp_path, "project: x\ntesting: true\n")
    assert (config.testing, config.runtime, config.project) == (True, "testing", "x")
    assert load(tmp_path, "testing: false\n").runtime == "development"
    in_section = load(tmp_path, "production:\n  testing: true\n", BOILER_RUNTIME="production")
    assert (in_section.testing, in_section.runtime) == (True, "production")


@pytest.mark.parametrize("runtime", ["development", "production"])
def test_other_runtimes_are_no_keys(tmp_path: Path, runtime: str) -> None:
    assert f"line 1: '{runtime}' is a section" in refusal(tmp_path, f"{runtime}: true\n")


def test_a_key_that_is_a_section_as_well_says_so(tmp_path: Path) -> None:
    message = refusal(tmp_path, "testing: yess\n")
    assert "'testing' is a section" in message
    assert message.endswith("or true or false")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "project: one\ndebug: true\nproject: two\n")
    assert "boiler.yaml, line 3: 'project' is already in line 1: remove one" in message
    message = refusal(tmp_path, "production:\n  project: one\n  project: two\n")
    assert "boiler.yaml, line 3: 'project' is already in line 2" in message
    message = refusal(tmp_path, "testing: true\ntesting: {debug: on}")
    assert "line 2: 'testing' is already in line 1" in message


def test_a_key_is_a_word(tmp_path: Path) -> None:
    assert "line 1: a key is one word" in refusal(tmp_path, "? [project]\n: x\n")


def test_a_mapping_wins_over_the_file_and_the_environment_over_both(tmp_path: Path) -> None:
    text = "project: file\napp_name: file\nproduction:\n  database: file\n  app_name: section\n"
    path = write(tmp_path, text)
    mapping = {"BOILER_APP_NAME": "mapping", "BOILER_RUNTIME": "production"}
    config = Config.load(path, over=mapping, environ={})
    assert (config.project, config.database, config.app_name) == ("file", "file", "mapping")
    config = Config.load(path, over=mapping, environ={"BOILER_APP_NAME": "environment"})
    assert config.app_name == "environment"


def test_a_mapping_has_the_certificate_instead_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "certificate_filename: a.json\n")
    config = Config.load(path, over={"BOILER_CERTIFICATE_PATH": "/b.json"}, environ={})
    assert config.certificate == Path("/b.json")


def test_help_shows_no_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hidden")
    for function in (Config.load, Config.from_mapping):
        assert "hidden" not in pydoc.render_doc(function)
    assert "environ" not in repr(inspect.signature(Config.load).parameters["environ"].default)


def test_the_environment_wins(tmp_path: Path) -> None:
    text = "project: file\nproduction:\n  project: section\n"
    environ = {"BOILER_RUNTIME": "production", "BOILER_PROJECT": "environment"}
    assert load(tmp_path, text, **environ).project == "environment"


def test_the_environment_wins_over_the_other_spelling_too(tmp_path: Path) -> None:
    config = load(tmp_path, "certificate_filename: a.json", BOILER_CERTIFICATE_PATH="/b.json")
    assert config.certificate == Path("/b.json")


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("Yes", True), ("on", True), ("false", False), ("", False)]
)
def test_a_variable_is_read_as_a_truth_value(tmp_path: Path, text: str, value: bool) -> None:
    assert load(tmp_path, "", BOILER_DEBUG=text).debug is value


def test_a_variable_that_is_no_truth_value_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "", BOILER_DEBUG="maybe")
    assert "BOILER_DEBUG='maybe'" in message
    assert "true, yes" in message


def test_an_empty_variable_unsets(tmp_path: Path) -> None:
    assert load(tmp_path, "project: file", BOILER_PROJECT="").project is None


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    message = refusal(tmp_path, "", BOILER_PROJEKT="x")
    assert "the environment variable BOILER_PROJEKT" in message
    assert "did you mean 'project'" in message


def test_an_error_in_a_file_has_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "app_name: x\nprodject: y\n")
    assert "boiler.yaml, line 2: there is no key 'prodject'; did you mean 'project'" in message


def test_an_error_in_a_section_has_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "app_name: x\nproduction:\n  debug: 3\n")
    assert "boiler.yaml, line 3: debug must be true or false, not 3" in message


def test_a_section_cannot_choose_the_runtime(tmp_path: Path) -> None:
    assert "line 2: 'runtime' chooses" in refusal(tmp_path, "production:\n  runtime: testing\n")


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert "line 1: expected keys and values" in refusal(tmp_path, "- project\n- x\n")


def test_broken_yaml_is_refused(tmp_path: Path) -> None:
    assert "boiler.yaml is not valid YAML" in refusal(tmp_path, "project: [x")


def test_yaml_runs_nothing(tmp_path: Path) -> None:
    message = refusal(tmp_path, "project: !!python/object/apply:os.getcwd []")
    assert "is not valid YAML" in message


def test_merged_keys_count(tmp_path: Path) -> None:
    text = "production: &shared\n  project: x\ntesting:\n  <<: *shared\n  debug: true\n"
    config = load(tmp_path, text, BOILER_RUNTIME="testing")
    assert (config.project, config.debug) == ("x", True)


def test_a_certificate_lies_beside_its_file(tmp_path: Path) -> None:
    config = load(tmp_path, "certificate_filename: key.json\n")
    assert config.certificate == tmp_path / "key.json"
    absolute = load(tmp_path, "certificate_path: /etc/key.json\n")
    assert absolute.certificate == Path("/etc/key.json")


def test_fb_config_filename_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "project: named\n", "other.yaml")
    assert Config.load(environ={"FB_CONFIG_FILENAME": str(path)}).project == "named"


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.yaml cannot be read"):
        Config.load(environ={"FB_CONFIG_FILENAME": str(tmp_path / "missing.yaml")})


def test_boiler_yaml_of_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config.load(environ={"BOILER_PROJECT": "x"}).project == "x"
    write(tmp_path, "project: here\n")
    assert Config.load(environ={}).project == "here"


def test_boiler_yml_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "project: here\n", "boiler.yml")
    with pytest.raises(ConfigurationError, match=r"boiler\.yml is not read: rename it"):
        Config.load(environ={})


def test_a_mapping_gives_its_boiler_keys() -> None:
    mapping = {"SECRET_KEY": "s", "BOILER_PROJECT": "x", "DEBUG": True, "TESTING": False}
    config = Config.from_mapping(mapping, environ={})
    assert (config.project, config.debug, config.testing) == ("x", True, False)


def test_the_app_under_test_is_in_the_testing_runtime() -> None:
    mapping = {"TESTING": True}
    assert Config.from_mapping(mapping, environ={}).runtime == "testing"


def test_a_mapping_may_hold_sections() -> None:
    mapping = {"BOILER_PROJECT": "x", "BOILER_PRODUCTION": {"project": "y"}}
    assert Config.from_mapping(mapping, environ={}).project == "x"
    assert Config.from_mapping(mapping, environ={"BOILER_RUNTIME": "production"}).project == "y"


def test_the_environment_wins_over_a_mapping() -> None:
    config = Config.from_mapping({"BOILER_PROJECT": "x"}, environ={"BOILER_PROJECT": "y"})
    assert config.project == "y"


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"BOILER_PROJET": "x"}, r"app\.config\['BOILER_PROJET'\].*did you mean 'project'"),
        ({"BOILER_DEBUG": "1"}, r"app\.config\['BOILER_DEBUG'\]: debug must be true or false"),
        ({"BOILER_PRODUCTION": 3}, "'production' must contain keys and values"),
        ({"BOILER_PRODUCTION": {"debug": 3}}, r"\['debug'\]: debug must be"),
    ],
)
def test_a_wrong_mapping_names_its_key(mapping: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        Config.from_mapping(mapping, environ={})


def test_views_need_a_thread_to_be_computed_on() -> None:
    with pytest.raises(ConfigurationError, match="compute_threads is 0"):
        Config(compute_threads=0)


@pytest.mark.parametrize("seconds", [0, -1.5, float("nan"), float("inf")])
def test_a_request_waits_for_some_time(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="request_timeout_s is"):
        Config(request_timeout_s=seconds)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, "embedded"),
        ({"runtime": "testing"}, "embedded"),
        ({"runtime": "production"}, "cloud"),
        ({"project": "named"}, "cloud"),
        ({"certificate_path": "key.json"}, "cloud"),
        ({"firestore_file": "cities.db"}, "embedded"),
        ({"firestore_file": "cities.db", "project": "named"}, "embedded"),
        ({"firestore_file": "cities.db", "runtime": "production"}, "embedded"),
        ({"firestore": "embedded", "project": "named"}, "embedded"),
        ({"firestore": "google-emulator"}, "google-emulator"),
        ({"firestore": "cloud"}, "cloud"),
    ],
)
def test_which_firestore_it_is(values: dict[str, Any], chosen: str) -> None:
    assert Config(**values).chosen_firestore == chosen


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"firestore": "mongo"}, "must be one of embedded, google-emulator, cloud, not 'mongo'"),
        ({"firestore_port": 70_000}, "a port is a number from 0 to 65535"),
        ({"firestore_file": "a.db", "firestore": "cloud"}, "firestore is cloud: only the embedded"),
        (
            {"firestore_file": "", "runtime": "production"},
            "firestore_file is '', which is not a file",
        ),
        ({"firestore_file": ":memory:"}, "firestore_file is ':memory:', which is not a file"),
        ({"firestore": "cloud", "emulator_host": "h:1"}, "emulator_host is h:1: remove one"),
        ({"firestore": "embedded", "runtime": "production"}, "would lose its data"),
        ({"firestore": "google-emulator", "runtime": "production"}, "would lose its data"),
    ],
)
def test_what_contradicts_itself_about_firestore(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Config(**values)


def test_the_firestore_of_the_environment_and_of_the_file(tmp_path: Path) -> None:
    text = "firestore: google-emulator\nproduction:\n  firestore_file: data/cities.db\n"
    assert load(tmp_path, text).chosen_firestore == "google-emulator"
    assert load(tmp_path, text, BOILER_FIRESTORE="embedded").chosen_firestore == "embedded"
    found = load(tmp_path, text, BOILER_FIRESTORE="embedded", BOILER_RUNTIME="production")
    # It is beside the configuration, wherever the process was started.
    assert found.firestore_file == str(tmp_path / "data/cities.db")


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ()), ("firestore", ("firestore",)), ("a, .b.example,,c", ("a", ".b.example", "c"))],
)
def test_trusted_hosts_are_names_with_commas_between_them(
    text: str | None, names: tuple[str, ...]
) -> None:
    assert Config(firestore_trusted_hosts=text).trusted_hosts == names
