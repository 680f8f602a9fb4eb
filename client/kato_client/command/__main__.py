"""`kato`, and `python -m kato_client.command`."""

import sys


def main() -> None:
    try:
        from kato_client.command.app import run
    except ImportError as error:
        missing = error.name or ""
        if missing.partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.exit("kato needs other packages: pip install 'kato-client[command]'")
    run()


if __name__ == "__main__":
    main()
