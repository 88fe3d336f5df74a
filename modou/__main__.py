"""`python -m modou` is `modou`."""

from modou.cli.main import main

if __name__ == "__main__":
    main()
