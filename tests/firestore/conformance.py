"""Schemathesis over an application: all its checks and phases, the same requests in each run.

It reads the OpenAPI document that the application serves, sends requests of every shape that the
document allows and of many that it does not, and looks whether the answers are what it says.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import schemathesis

# Imported for the checks of OpenAPI that it registers.
import schemathesis.specs.openapi.checks
from flask import Flask
from schemathesis.checks import CHECKS as REGISTERED
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext

__all__ = ["CHECKS", "PHASES", "Findings", "Pardon", "explore"]

#: How many requests the fuzzing of each operation sends; more of them find rarer things.
EXAMPLES = int(os.environ.get("FLASK_BOILER_EXAMPLES", "15"))
SEED = int(os.environ.get("FLASK_BOILER_EXAMPLES_SEED", "20"))

#: Whether the refusal of a request that the document allows is right all the same.
Pardon = Callable[[Case[Any], Response], bool]

#: The phases of a run.
PHASES = {"examples", "coverage", "fuzzing", "stateful"}
#: The checks; without that of times, which asks for a limit that a loaded machine would break.
CHECKS = set(REGISTERED.get_all_names()) - {"max_response_time"}


@dataclass
class Findings:
    """What a run found, and what it did."""

    #: Each failure of a check, with the request that shows it.
    failures: list[str] = field(default_factory=list)
    #: What kept Schemathesis from testing something.
    errors: list[str] = field(default_factory=list)
    #: The statuses of the answers, by operation.
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    phases: set[str] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)


def explore(
    app: Flask,
    *,
    known: Mapping[str, Sequence[str] | Mapping[str, Sequence[str | int]]],
    pardons: Iterable[Pardon] = (),
    document: str = "/apispec_1.json",
) -> Findings:
    """Send requests to an application, and tell what was found.

    :param known: ids that there are, by the path that takes them, or by its parameters; half of
        the requests are about these.
    :param pardons: which refusals are right although the document cannot tell.
    """
    config = SchemathesisConfig.from_dict(_settings(known))
    schema = schemathesis.openapi.from_wsgi(document, app=app, config=config)
    pardoned = [_of_conditions, _of_page_tokens, *pardons]

    @schema.hook
    def filter_failure(
        context: HookContext, failure: Failure, case: Case[Any], response: Response
    ) -> bool:
        accepted_expected = "positive_data_acceptance" in type(failure).checks
        return not (accepted_expected and any(pardon(case, response) for pardon in pardoned))

    findings = Findings()
    for event in from_schema(schema).execute():
        match event:
            case events.NonFatalError():
                findings.errors.append(f"{event.label}: {event.value}")
            case events.FatalError():
                findings.errors.append(f"the run: {event.exception}")
            case events.PhaseStarted() if event.phase.is_enabled:
                findings.phases |= {event.phase.name.value} & PHASES
            case events.ScenarioFinished():
                _record(findings, event.recorder)
    return findings


def _settings(
    known: Mapping[str, Sequence[str] | Mapping[str, Sequence[str | int]]],
) -> dict[str, Any]:
    by_parameter = {
        path: ids if isinstance(ids, Mapping) else {"doc_id": ids} for path, ids in known.items()
    }
    return {
        "seed": SEED,
        "generation": {
            "deterministic": True,
            "max-examples": EXAMPLES,
            "no-shrink": True,
            "database": "none",
        },
        # Neither what an earlier run left behind nor the texts in the source change the requests.
        "cache": {"enabled": False},
        "analysis": {"constants": {"enabled": False}},
        "dictionaries": {
            f"ids_{n}_{name}": {"values": list(ids)}
            for n, named in enumerate(by_parameter.values())
            for name, ids in named.items()
        },
        "operations": [
            {
                "include-path": path,
                "parameters": {
                    f"path.{name}": {"dictionary": f"ids_{n}_{name}", "probability": 0.5}
                    for name in named
                },
            }
            for n, (path, named) in enumerate(by_parameter.items())
        ],
    }


def _of_conditions(case: Case[Any], response: Response) -> bool:
    """The view is not as the client knows it."""
    refused = response.status_code == HTTPStatus.PRECONDITION_FAILED
    return refused and not {"If-Match", "If-None-Match"}.isdisjoint(case.headers)


def _of_page_tokens(case: Case[Any], response: Response) -> bool:
    """The token is of another query, or of none."""
    refused = response.status_code == HTTPStatus.BAD_REQUEST and "page_token" in case.query
    return refused and "is not a page token" in response.json()["detail"]


def _record(findings: Findings, recorder: ScenarioRecorder) -> None:
    answers: dict[str, Response] = {
        case_id: interaction.response
        for case_id, interaction in recorder.interactions.items()
        if interaction.response is not None
    }
    for case_id, node in recorder.cases.items():
        if case_id in answers:
            operation = node.value.operation.label
            findings.statuses[operation].add(answers[case_id].status_code)
    for case_id, checks in recorder.checks.items():
        for check in checks:
            findings.checks.add(check.name)
            if check.failure_info is not None:
                failure, sample = check.failure_info.failure, check.failure_info.code_sample
                answer = answers.get(case_id)
                said = f"{answer.status_code}: {answer.text:.2000}" if answer else "no answer"
                findings.failures.append(f"{check.name}: {failure.message}\n{sample}\n{said}")
