"""``python -m runproj`` is ``runproj``."""

from runproj.cli.main import main

if __name__ == "__main__":
    main()
