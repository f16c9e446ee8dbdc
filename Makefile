# A thin front for the presets of CMakePresets.json.
#   make demo    installs what is missing, builds both twins and starts the demo on http://127.0.0.1:8080/
#   make test    installs what is missing and runs every test
#   make bench   prints the benchmarks' figures
#   make clean   removes build/ and the test driver
.PHONY: all demo test bench clean

all:
	@cmake --preset native-release
	@cmake --build --preset native-release

demo:
	@toolchains/demo.sh

test:
	@toolchains/test.sh

bench:
	@toolchains/bench.sh

clean:
	rm -rf build tests/node_modules
