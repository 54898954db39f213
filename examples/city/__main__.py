"""``python -m examples.city``: the demo."""

import sys


def main() -> int:
    """Run the demo, and return its exit status."""
    try:
        # Importing takes a second, in which Ctrl-C is to be as quiet as later.
        from examples.city.demo import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
