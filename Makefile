# The tasks of this repository, one word each; the work is done by the scripts in tools/.
.DEFAULT_GOAL := help
.PHONY: help demo demo-python test test-newest test-debian13 test-asan test-tsan lint fmt bench bench-rust probes probes-rust docs docs-serve docs-rust wheel wheels frozen release-check

help:  ## list these tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo:  ## open the demo window of the Rust API; ARGS="URL ..." fetches those; without a display it saves target/demo.png
	@tools/demo rust $(ARGS)

demo-python:  ## the same window in Python, with PySide6 and aiohttp; without a display it saves target/demo-python.png
	@tools/demo python $(ARGS)

test:  ## every check there is, quickest first; STEPS="lint qt ..." runs only those
	@tools/test $(STEPS)

test-newest:  ## the steps python, cpython and timing on the newest Pythons and Qt, in a Debian sid that it makes; as root
	@tools/chroot sid tools/test $(or $(STEPS),python cpython timing)

test-debian13:  ## `make demo` and `make test` on a bare Debian 13 that it makes, with this machine's Rust; as root
	@tools/chroot trixie make demo test STEPS="$(STEPS)"

test-asan:  ## the Qt tests of the Rust API under AddressSanitizer
	@tools/test asan

test-tsan:  ## the same under ThreadSanitizer
	@tools/test tsan

lint:  ## formatters, linters, docs and types: what needs no test run
	@tools/test format lint docs types

fmt:  ## format Rust, C++ and Python in place
	@tools/fmt

bench:  ## measure speed beside other loops; ARGS="--only echo --loops qtloop,uvloop" measures less, QUICK=1 roughly
	@tools/bench $(ARGS)

bench-rust:  ## measure the Rust API beside smol, tokio, glib and qmetaobject; ARGS="--only echo --save", QUICK=1 roughly
	@tools/bench-rust $(ARGS)

probes:  ## ask this and the other Qt loops the same questions: the table of the README
	@tools/probes $(ARGS)

probes-rust:  ## ask the Rust API and other toolkits the same questions: the README's other table; needs Rust 1.92
	@tools/bench-rust probes $(ARGS)

docs:  ## build the documentation site into target/site; a warning or a broken link is an error
	@tools/site build

docs-serve:  ## show the documentation site on 127.0.0.1:8800, and follow changes; ARGS="127.0.0.1:PORT" chooses another port
	@tools/site serve $(ARGS)

docs-rust:  ## build the reference of the Rust API by rustdoc, and say where it is
	@tools/doc

wheel:  ## build a wheel into dist/, and try it without and with each binding; VERSIONS="3.12 3.13" names the Pythons
	@tools/wheel $(VERSIONS)

wheels:  ## the same with every Python that there is
	@tools/wheel $$(tools/pythons | cut -d ' ' -f 1)

frozen:  ## freeze the demo window by PyInstaller with each binding, as a folder and as a file, and run the results
	@tools/frozen

release-check:  ## check what a release publishes; CHECKS="deny msrv ..." runs only those, TAG=v0.1.0 checks for that tag
	@TAG="$(TAG)" tools/release-check $(CHECKS)
