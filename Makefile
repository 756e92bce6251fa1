# Everything a person needs: "make test" is the README's test command, "make lint" what CI runs after it.
.PHONY: test lint fuzz deps build

# The first run builds the Temporal CLI once, hence the timeout.
test: deps
	go test -race -timeout 20m ./...

# What the tests need beside Go: a Postgres server and Chromium. Installed only where missing.
deps:
	@.ci/deps

lint:
	@.ci/lint

# Each fuzz target for a minute (FUZZTIME=10s for less).
fuzz:
	@.ci/fuzz

build:
	go build -o bin/ ./worker ./starter
