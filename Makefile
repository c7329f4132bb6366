# Two commands do everything on a fresh machine: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
DATA ?= data
PHOTOS ?= $(DATA)/photos
# What needs a disk of this machine, Dagster's records among it, where the data are at a URL.
LOCAL ?= $(if $(findstring ://,$(DATA)),data,$(DATA))
BIN := .venv/bin
# Dagster's catalog links to it where it is on GitHub or GitLab.
REMOTE = $(shell git remote get-url origin 2>/dev/null | grep -E '//([^@/]*@)?[^/]*git(hub|lab)|@[^:/]*git(hub|lab)')
INSTALL := $(BIN)/python -m pip install --quiet --no-deps --require-hashes
PINS_OF := $(BIN)/python -m classface_assets.devtools.supply_chain.pins

.PHONY: demo test test-fast ui bench bench-identity bench-head bench-faces bench-review bench-clicks bench-quiet bench-facts bench-strips bench-panorama bench-captions bench-album bench-dagster-ui bench-embedders bench-gpu bench-gpu-wheels soak gpu texts lint constraints sbom audit bench-keys bench-years bench-one-photo bench-sensor bench-plan bench-ray bench-archives

demo: .venv/ready
	$(BIN)/python -m classface_assets.devtools.demo

# Two workers; one that has nothing left takes over tests of the other. What fails beside other tests has to pass alone:
# browsers, servers and killed runs share two cores here, and both results are printed.
test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal \
		|| $(BIN)/python -m pytest --last-failed --last-failed-no-failures none -v

# The tests of single functions and modules: under a minute on two cores.
test-fast: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

ui: .venv/ready
	$(BIN)/classface years sync --data "$(DATA)" --photos "$(PHOTOS)" --local "$(LOCAL)" || true
	cd "$(LOCAL)" && home=$$(pwd) && cd - >/dev/null && DAGSTER_HOME="$$home/dagster_home" CLASSFACE_LOCAL="$(LOCAL)" \
		CLASSFACE_REPOSITORY="$${CLASSFACE_REPOSITORY-$(REMOTE)}" \
		CLASSFACE_DATA="$(DATA)" CLASSFACE_PHOTOS="$(PHOTOS)" $(BIN)/dagster dev -w workspace.yaml

# Ours against the loop a user would write, and against builtin; without variables on the composed sample.
#   ARCHIVE=folder  with photos/ and truth.csv        PACK=folder  in InsightFace's format; the loop needs one
#   LARGE=folder    of large photos, without truth    PHOTOS=n     only so many of each folder
#   COPIES=n        of each large photo (32)
#   ROUNDS=n        turns of each contender (3)       MEMORY=1     instead: 500 and 5,000 photos of one school year
bench: PHOTOS =
bench: .venv/ready
	ARCHIVE="$(ARCHIVE)" LARGE="$(LARGE)" COPIES="$(COPIES)" PACK="$(PACK)" PHOTOS="$(PHOTOS)" ROUNDS="$(ROUNDS)" MEMORY="$(MEMORY)" \
		$(BIN)/python -m classface_assets.devtools.benchmark.speed.speed

# How well faces are grouped and named, beside other methods: tables in Markdown, means over archives.
#   ARCHIVES="folder folder"    with photos/ and truth.csv each; or finished data folders, DATA=TRUTH.csv
#   PACK=pack                   (builtin)       TUNE=1   chooses the other methods' settings anew
bench-identity: .venv/ready
	@ARCHIVES="$(ARCHIVES)" PACK="$(PACK)" TUNE="$(TUNE)" $(BIN)/python -m classface_assets.devtools.benchmark.accuracy.accuracy

# What a projection head that is trained on labels does for people it never saw. ARCHIVES, PACK as for bench-identity
bench-head: .venv/ready
	@ARCHIVES="$(ARCHIVES)" PACK="$(PACK)" $(BIN)/python -m classface_assets.devtools.benchmark.accuracy.head

# How long and in how much memory made-up faces are told apart, from 10,000 to a million, and a hundredth more of them.
#   FACES="10000 100000"   how many (10000 30000)     WORK=folder   for their files, 8 GB for a million
#   DIMENSIONS=128         numbers of a vector, as of the pack builtin (512)
bench-faces: .venv/ready
	@FACES="$(FACES)" DIMENSIONS="$(DIMENSIONS)" WORK="$(WORK)" $(BIN)/python -m classface_assets.devtools.benchmark.scale.scale

# How long every page of the review server takes over a made-up school. FACES=n (100,000)
#   ARCHIVE=folder  makes the school there, or uses the one that is there
bench-review: .venv/ready
	@FACES="$(FACES)" ARCHIVE="$(ARCHIVE)" $(BIN)/python -m classface_assets.devtools.benchmark.review.review_server

# Whether the review server holds in the long run: people label, runs follow one another, pages stay open.
#   MINUTES=n (30)   RATE=n   labels a second (2)
soak: .venv/ready
	@MINUTES="$(MINUTES)" RATE="$(RATE)" $(BIN)/python -m classface_assets.devtools.benchmark.review.soak.soak

# How many clicks a person it takes to name an archive, as somebody who knows everybody would.
#   ARCHIVES, PACK   as for bench-identity        RERUN=1   recognises everybody again once all groups are named
bench-clicks: .venv/ready
	@ARCHIVES="$(ARCHIVES)" PACK="$(PACK)" RERUN="$(RERUN)" $(BIN)/python -m classface_assets.devtools.benchmark.review.labelling_effort

# How many keys and clicks the usual tasks take in the page, counted in a browser. BROWSER=program (Chromium)
bench-keys: .venv/ready
	@BROWSER="$(BROWSER)" $(BIN)/python -m classface_assets.devtools.benchmark.review.keys_and_clicks

# How long a run takes that finds nothing new in many small folders, beyond Dagster's start. YEARS=n (60)
bench-quiet: .venv/ready
	@YEARS="$(YEARS)" $(BIN)/python -m classface_assets.devtools.benchmark.speed.unchanged_run

# What Dagster itself takes for school years that are a run each, and for all of them in one run. YEARS=n (16)
bench-years: .venv/ready
	@YEARS="$(YEARS)" $(BIN)/python -m classface_assets.devtools.benchmark.runs.years_at_once

# How long one more photo takes to its album in a large archive of made-up faces, and each step on the way.
#   COUNT=n   about so many photos (40,000)   ARCHIVE=folder   makes the school there, or uses the one that is there
bench-one-photo: .venv/ready
	@COUNT="$(COUNT)" ARCHIVE="$(ARCHIVE)" $(BIN)/python -m classface_assets.devtools.benchmark.runs.one_more_photo

# How long a tick of the sensor of the photos folder takes. COUNT=n files (100,000)  YEARS=n school years (300)
bench-sensor: .venv/ready
	@COUNT="$(COUNT)" YEARS="$(YEARS)" $(BIN)/python -m classface_assets.devtools.benchmark.runs.folder_sensor

# On paper: hours, requests and money for 10 million photos on 10 workers, with and without cards, from measured rates.
#   FIGURES="--photos 1000000 --workers 3"   your own; `FIGURES=--help` lists them
bench-plan: .venv/ready
	@$(BIN)/python -m classface_assets.devtools.benchmark.scale.plan $(FIGURES)

# What sharing work by a Ray cluster of two machines of one core each costs beside none, on this machine; how long it takes until
# the batch of a worker that is killed is written; and for each asset the requests and bytes of photos and data at S3.
#   ARCHIVE=folder  with photos/ (the sample)     PHOTOS=n  at most (600)     PACK=pack  (builtin)
bench-ray: PHOTOS = 600
bench-ray: .venv/ready
	@ARCHIVE="$(ARCHIVE)" PHOTOS="$(PHOTOS)" PACK="$(PACK)" \
		$(BIN)/python -m classface_assets.devtools.benchmark.runs.ray_cluster

# How long it takes to know a photo by its picture, beside by its bytes alone. COUNT=n unchanged ones (5,000)  ROUNDS=n
bench-facts: .venv/ready
	@PHOTOS="$(COUNT)" ROUNDS="$(ROUNDS)" $(BIN)/python -m classface_assets.devtools.benchmark.speed.photo_facts

# How many of twenty small faces are found in long strips, such as stitched panoramas, and how long it takes.
bench-strips: .venv/ready
	@$(BIN)/python -m classface_assets.devtools.benchmark.detection.strips

# How many faces of composed whole-school panoramas are found, and how long it takes; without FACES of six people.
#   FACES=folder    of photos of single people, with a labels.csv: file, x, y, w, h of the face in pixels of the file
#   PACK=pack       (builtin)                     SHEETS=folder  for pictures of what is found beside the placed faces
#   PHOTOS=folder   of other photos, whose faces go to SHEETS too, to be looked at
bench-panorama: PHOTOS =
bench-panorama: .venv/ready
	@FACES="$(FACES)" PACK="$(PACK)" SHEETS="$(SHEETS)" PHOTOS="$(PHOTOS)" \
		$(BIN)/python -m classface_assets.devtools.benchmark.detection.panorama

# How often rows and order of people in composed class photos are right.
#   COUNT=n   photos of each number of rows (200)   JITTER=x  times the usual differences (1)   SEED=n (0)
bench-captions: .venv/ready
	@COUNT="$(COUNT)" JITTER="$(JITTER)" SEED="$(SEED)" $(BIN)/python -m classface_assets.devtools.benchmark.albums.captions

# How long the index of a made-up album takes to open, and to find somebody, in Chromium. STUDENTS=n (2,000)
bench-album: .venv/ready
	@STUDENTS="$(STUDENTS)" $(BIN)/python -m classface_assets.devtools.benchmark.albums.album_index

# How long Dagster's pages take in Chromium, on its own web server, where there are many school years. YEARS=n (300)
bench-dagster-ui: .venv/ready
	@YEARS="$(YEARS)" $(BIN)/python -m classface_assets.devtools.benchmark.dagster_ui.dagster_ui

# What many archives in one Dagster take: to add and load them, its sensors, its pages in Chromium. ARCHIVES=n (300)
bench-archives: .venv/ready
	@ARCHIVES="$(ARCHIVES)" RECORDS="$(RECORDS)" $(BIN)/python -m classface_assets.devtools.benchmark.dagster_ui.archives

# How long a face takes in the embedders of builtin and dlib, and of PACK=pack where it is given.
bench-embedders: .venv/ready
	@PACK="$(PACK)" $(BIN)/python -m classface_assets.devtools.benchmark.speed.embedders

# What an NVIDIA card brings beside the CPU of the same machine, in less than ten minutes; without a card the CPU alone.
#   WHEELS=folder   first installs from there, without internet, into .venv-gpu; else what .venv has is measured
#   PHOTOS=folder   of school years to ingest (the sample)     PACK=pack   beside builtin
#   COUNT=n         faces that are searched (1,000,000)
bench-gpu: PHOTOS =
bench-gpu: $(if $(WHEELS),.venv-gpu/ready,.venv/ready)
	@PHOTOS="$(PHOTOS)" PACK="$(PACK)" COUNT="$(COUNT)" \
		$(if $(WHEELS),.venv-gpu,.venv)/bin/python -m classface_assets.devtools.benchmark.gpu.gpu

# What bench-gpu needs on a machine without internet, weights of builtin among it: 3 GB of wheels, and torch's CUDA.
bench-gpu-wheels: .venv/ready
	@test -n "$(WHEELS)" || { echo "Name the folder for the wheels: make bench-gpu-wheels WHEELS=folder"; exit 1; }
	grep -o '^[^ ;]*==[^ ;]*' constraints.txt > .venv/pins.txt
	$(BIN)/python -m pip wheel --constraint .venv/pins.txt --wheel-dir "$(WHEELS)" \
		'.[gpu]' 'onnxruntime-gpu[cuda,cudnn]' $$(grep -i '^opencv-python-headless==' .venv/pins.txt)

# The versions and hashes of constraints.txt, for all platforms. UPGRADE=1 takes the newest versions that fit
constraints: .venv/ready
	$(BIN)/python -m classface_assets.devtools.supply_chain.constraints $(if $(UPGRADE),--upgrade)

# The catalogs of translations, classface_assets/locale, with the texts that pages and albums have now.
texts: .venv/ready
	$(BIN)/python -m classface_assets.devtools.texts

# What the installed program consists of, with licences: build/sbom.json (CycloneDX) and build/licences.md
sbom: .venv/ready
	$(BIN)/python -m classface_assets.devtools.supply_chain.sbom

# Known vulnerabilities of the versions in constraints.txt; needs the internet.
audit: .venv/ready
	$(BIN)/python -m pip_audit --strict --disable-pip --no-deps --requirement constraints.txt

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Every file is checked against the SHA-256 in constraints.txt. torch's build for the CPU is taken where pip finds it, such as
# with PIP_EXTRA_INDEX_URL=index of PyTorch for CPUs; the build of PyPI needs, on Linux, 3 GB of CUDA libraries.
# opencv-python is left out: the headless build is the same module without system libraries that a bare machine lacks.
.venv/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "No virtual environment could be made; on Debian: apt install python3-venv"; exit 1; }
	@$(PINS_OF) cpu > .venv/cpu.txt && $(INSTALL) --requirement .venv/cpu.txt 2> .venv/cpu.log || true
	$(INSTALL) --requirement constraints.txt
	@$(BIN)/python -c 'from importlib.metadata import version; raise SystemExit("+cpu" not in version("torch"))' \
		|| { $(PINS_OF) cuda > .venv/cuda.txt && $(INSTALL) --requirement .venv/cuda.txt; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch .venv/ready

# The builds with CUDA in place of those for the CPU: two packages share one folder, and the last one installed wins.
gpu: .venv/ready
	$(BIN)/python -m pip uninstall --quiet --yes onnxruntime faiss-cpu
	$(PINS_OF) cuda gpu > .venv/gpu.txt
	$(INSTALL) --force-reinstall --requirement .venv/gpu.txt

# Two packages share one folder, and the last one installed wins: the builds with CUDA go in last.
.venv-gpu/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -m venv .venv-gpu
	grep -o '^[^ ;]*==[^ ;]*' constraints.txt > .venv-gpu/pins.txt
	.venv-gpu/bin/python -m pip install --quiet --no-index --find-links "$(WHEELS)" --constraint .venv-gpu/pins.txt \
		'classface_assets[gpu]' 'onnxruntime-gpu[cuda,cudnn]'
	.venv-gpu/bin/python -m pip uninstall --quiet --yes onnxruntime onnxruntime-gpu faiss-cpu faiss-gpu
	.venv-gpu/bin/python -m pip install --quiet --no-index --find-links "$(WHEELS)" --constraint .venv-gpu/pins.txt --no-deps \
		--force-reinstall onnxruntime-gpu faiss-gpu opencv-python-headless
	@touch .venv-gpu/ready
