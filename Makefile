# SPDX-License-Identifier: Apache-2.0
# Thin words over meson, ninja and the test driver.
#   make            build everything into build/
#   make demo       install what is needed (Debian, as root), build, show a sandbox
#   make check      all tests; T="futex cli/exit" only those whose name contains one of these
#   make fmt        format the sources
#   make install    umbra and its manual to $(DESTDIR)$(PREFIX)

BUILD ?= build
PREFIX ?= /usr/local
T ?=
SOURCES = git ls-files '*.c' '*.h'

all: $(BUILD)/build.ninja
	@# A new test file is only seen by configuring again.
	@ls tests/sys | cmp -s - $(BUILD)/sys-tests || { ls tests/sys > $(BUILD)/sys-tests; meson setup --reconfigure $(BUILD) > /dev/null; }
	@ninja -C $(BUILD)
	@[ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) > /dev/null

setup:
	@tools/setup.sh

demo: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD) runtime/umbra
	@[ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" $(BUILD)
	@tools/demo.sh $(BUILD)/runtime/umbra

check:
	@tools/setup.sh check
	@$(MAKE) --no-print-directory all
	@tests/run -b $(BUILD) $(T)

fmt:
	@$(SOURCES) | xargs clang-format -i

lint:
	@$(SOURCES) | xargs clang-format --dry-run -Werror

install: all
	install -D -m 755 $(BUILD)/runtime/umbra $(DESTDIR)$(PREFIX)/bin/umbra
	install -D -m 644 man/umbra.1 $(DESTDIR)$(PREFIX)/share/man/man1/umbra.1

clean:
	rm -rf $(BUILD)

.PHONY: all setup demo check fmt lint install clean
