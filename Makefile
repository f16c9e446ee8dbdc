# A thin front for the presets of CMakePresets.json.
#   make demo    installs what is missing, builds both twins and starts the demo on http://127.0.0.1:8080/
#   make test    installs what is missing and runs every test
#   make bench   runs Troupe and the installed peers side by side, prints the table and writes docs/performance.md
#   make bench-peers-install    installs the peers of the benchmarks
#   make bench-check            fails if Troupe is farther from the machine's floor than bench/expected.json says
#   make clean   removes build/ and the test driver
.PHONY: all demo test bench bench-peers-install bench-check clean

all:
	@cmake --preset native-release
	@cmake --build --preset native-release

demo:
	@toolchains/demo.sh

test:
	@toolchains/test.sh

bench:
	@toolchains/bench.sh --write docs/performance.md

bench-peers-install:
	@toolchains/install-deps.sh bench-peers

bench-check:
	@toolchains/bench.sh --own --check bench/expected.json

clean:
	rm -rf build tests/node_modules
