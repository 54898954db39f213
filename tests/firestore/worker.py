"""A worker in a process of its own: keeps the city views until it is killed."""

from __future__ import annotations

import sys

from flask_boiler import Boiler, Config
from tests.firestore.cities import city_views


def main(host: str, project: str) -> None:
    boiler = Boiler(config=Config(testing=True, project=project, emulator_host=host))
    boiler.add(city_views())
    with boiler:
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
