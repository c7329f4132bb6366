"""`python -m classface_assets.cli`: the command without its entry point."""

from classface_assets.cli.main import main

if __name__ == "__main__":
    main()
