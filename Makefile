# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make                       build everything below build/
# make check                 unit tests (no root needed); with SAN= also the system tests, if root
# make lint                  layers, format, static analysis
# make fuzz SECONDS=60        libFuzzer, each target for so long; WITH=afl: by AFL++
# make crash EVERY=1         our processes are killed at each of their system calls, or these fail: FAULT=EIO (root)
# make power EVERY=1 SEED=1  the power goes at each write of the disk; what it leaves is gone on with (root)
# make sim SEEDS=1000         the engine in a simulated host that fails in all ways; one seed: build/tests-sim/sim -s SEED
# make soak MINUTES=30       tenants of all kinds with faults, for so long, in a virtual machine; SEED= as printed
# make analyze               gcc -fanalyzer
# make coverage              how much of each folder the unit tests run
# make bench                 throughput and latency beside a bare loop (root)
# make bench-programs        what the scripts in tests/bench need
# make vmtest                tests that need systemd and cgroup v2, in a virtual machine
# make deb                   a Debian package, in build/deb
# make install DESTDIR= PREFIX= SYSCONFDIR=
# Variables: SAN=address,undefined  WERROR=1  BUILD=dir  CC=

.DEFAULT_GOAL := all
VERSION := 0.1.0

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR := $(PREFIX)/bin
SBINDIR := $(PREFIX)/sbin
LIBEXECDIR := $(PREFIX)/libexec/tenantq
MANDIR := $(PREFIX)/share/man
UNITDIR := $(PREFIX)/lib/systemd/system
SYSUSERSDIR := $(PREFIX)/lib/sysusers.d
TMPFILESDIR := $(PREFIX)/lib/tmpfiles.d
CATALOGDIR := $(PREFIX)/lib/systemd/catalog
BASHCOMPDIR := $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR := $(PREFIX)/share/zsh/site-functions
SYSCONFDIR := /etc/tenantq

CC ?= cc
BUILD ?= build$(if $(SAN),/san)$(if $(COVERAGE),/coverage)
PKGS := libsystemd libseccomp libcgroup inih sqlite3 libmd

CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude
CPPFLAGS += -DTQ_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CFLAGS += -fstack-protector-strong -fstack-clash-protection -MMD -MP
CFLAGS += $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
CFLAGS += $(if $(WERROR),-Werror)
ifeq ($(SAN),)
CPPFLAGS += -D_FORTIFY_SOURCE=2
HARDEN_LD := -Wl,-z,relro,-z,now -pie
else
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif
ifneq ($(COVERAGE),)
# GCC 12 crashes over its own warnings about snprintf() here.
CFLAGS += --coverage -O0 -Wno-format-truncation -Wno-format-overflow
CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(CPPFLAGS))
LDFLAGS += --coverage
endif
PIC := -fPIE

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm

CTL_LIBS := $(shell pkg-config --libs smartcols ncursesw 2>/dev/null)

# What the archives are linked with, for who links them into something else.
libs:
	@echo $(PKG_LIBS)

# Low to high: a layer's archive is linked before those below it, so that a call upward finds nothing.
LAYERS := base core conf kernel store sim ipc
BELOW_base := base
BELOW_core := core base
BELOW_conf := conf core base
BELOW_kernel := kernel core base
BELOW_store := store core base
BELOW_sim := sim conf core base
BELOW_ipc := ipc store kernel conf core base

objects = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$(1)/*.c src/$(1)/*/*.c))
archives = $(foreach l,$(1),$(BUILD)/libtq-$(l).a)

ARCHIVES := $(call archives,$(LAYERS))
ALL_BELOW := $(call archives,ipc sim store kernel conf core base)

PROGRAMS := $(addprefix $(BUILD)/,tenantqd tenantq-engine tenantqctl tenantq-exec tenantq-holder)

.PHONY: FORCE all check lint analyze coverage fuzz fuzz-programs crash power sim soak bench bench-programs vmtest
.PHONY: install deb clean libs
all: $(PROGRAMS)

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@

# What is newer than its words only if they are others than last time: a file less is seen, and another prefix.
define words_rule
$(BUILD)/$(1).words: export WORDS := $(2)
$(BUILD)/$(1).words: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' "$$$$WORDS" | cmp -s - $$@ || printf '%s\n' "$$$$WORDS" >$$@
endef
FORCE:
$(eval $(call words_rule,sources,$(sort $(wildcard src/*/*.c src/*/*/*.c))))
$(eval $(call words_rule,prefix,$(LIBEXECDIR) $(SYSCONFDIR)))
# Whoever names one of these knows where it was installed.
PLACED := $(patsubst src/%.c,$(BUILD)/%.o,$(shell grep -rlE --include='*.c' 'TQ_(LIBEXECDIR|CONFIG_DIR)' src))
$(PLACED): CPPFLAGS += -DTQ_LIBEXECDIR='"$(LIBEXECDIR)"' -DTQ_CONFIG_DIR='"$(SYSCONFDIR)"'
$(PLACED): $(BUILD)/prefix.words

$(BUILD)/conf/profile_builtin.o: $(wildcard conf/profiles/*)

define layer_rule
$(BUILD)/libtq-$(1).a: $(call objects,$(1)) $(BUILD)/sources.words
	@rm -f $$@
	ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))

# The rooms of the programs, without main.c: for their unit tests.
define rooms_rule
$(BUILD)/libtq-$(1).a: $(filter-out %/main.o,$(call objects,$(1))) $(BUILD)/sources.words
	@rm -f $$@
	ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach p,engine supervisor ctl,$(eval $(call rooms_rule,$(p))))

$(BUILD)/tenantqd: $(call objects,supervisor) $(ALL_BELOW)
$(BUILD)/tenantq-engine: $(call objects,engine) $(ALL_BELOW)
$(BUILD)/tenantqctl: $(call objects,ctl) $(ALL_BELOW)
$(BUILD)/tenantqctl: PKG_LIBS += $(CTL_LIBS)
$(BUILD)/tenantqd $(BUILD)/tenantq-engine $(BUILD)/tenantqctl:
	$(CC) $(HARDEN_LD) $(LDFLAGS) $(filter %.o %.a,$^) $(PKG_LIBS) -o $@

# Static and without libraries of their own: started for every job, so nothing is relocated and nothing
# looked up. Their objects are built apart, without sanitizers, which can't be linked statically.
STATIC := $(BUILD)/static
STATIC_CFLAGS = $(filter-out -fsanitize=% -fno-sanitize-recover=all --coverage,$(CFLAGS)) -fno-pie
EXEC_SOURCES := $(filter-out src/exec/holder.c,$(wildcard src/exec/*.c)) \
	$(addprefix src/base/,clock.c crc32c.c error.c fs.c parse.c trusted.c) src/core/sandbox.c src/kernel/netns.c src/kernel/plan.c src/store/logpage.c src/store/result_record.c
HOLDER_SOURCES := src/exec/holder.c src/base/fs.c

$(STATIC)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(STATIC_CFLAGS) -c $< -o $@

$(BUILD)/tenantq-exec: $(EXEC_SOURCES:src/%.c=$(STATIC)/%.o)
	$(CC) -static -no-pie -Wl,-z,relro,-z,now $^ -o $@
$(BUILD)/tenantq-holder: $(HOLDER_SOURCES:src/%.c=$(STATIC)/%.o)
	$(CC) -static -no-pie -Wl,-z,relro,-z,now $^ -o $@

# Tests ---------------------------------------------------------------------------------------------

UNIT_SOURCES := $(filter-out tests/unit/unit.c,$(wildcard tests/unit/*.c))
UNIT_PROGRAMS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
CHECK_LIBS = $(shell pkg-config --libs check)

$(BUILD)/unit/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@
$(BUILD)/unit/%: $(BUILD)/unit/%.o $(BUILD)/unit/unit.o $(ALL_BELOW)
	$(CC) $(LDFLAGS) $^ $(CHECK_LIBS) $(PKG_LIBS) -o $@
# Rooms of the daemons, with stand-ins for what they speak to; tenantqctl's files.
FAKES := $(patsubst tests/unit/fake/%.c,$(BUILD)/unit/fake/%.o,$(wildcard tests/unit/fake/*.c))
FAKES_BUT_COMMIT := $(filter-out %/commit.o,$(FAKES))
unit_programs = $(filter $(BUILD)/unit/$(1)_%,$(UNIT_PROGRAMS))
$(BUILD)/unit/fake/%.o: tests/unit/fake/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@
define room_test_rule
$(1): $(1).o $(BUILD)/unit/unit.o $(2) $(3) $(ALL_BELOW)
	$$(CC) $$(LDFLAGS) $$^ $$(CHECK_LIBS) $$(PKG_LIBS) -o $$@
endef
$(eval $(call room_test_rule,$(BUILD)/unit/engine_commit,$(FAKES_BUT_COMMIT),$(BUILD)/libtq-engine.a))
$(foreach t,$(filter-out %/engine_commit,$(call unit_programs,engine)),\
	$(eval $(call room_test_rule,$(t),$(FAKES),$(BUILD)/libtq-engine.a)))
$(foreach t,$(call unit_programs,supervisor),\
	$(eval $(call room_test_rule,$(t),$(FAKES_BUT_COMMIT),$(BUILD)/libtq-supervisor.a)))
$(call unit_programs,ctl): PKG_LIBS += $(CTL_LIBS)
$(foreach t,$(call unit_programs,ctl),$(eval $(call room_test_rule,$(t),,$(BUILD)/libtq-ctl.a)))
# These files of tenantq-exec alone.
$(eval $(call room_test_rule,$(BUILD)/unit/exec_launcher,$(patsubst %,$(BUILD)/unit/exec/%.o,launcher surroundings),))
$(BUILD)/unit/exec/%.o: src/exec/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@
# It says which allocation fails.
$(BUILD)/unit/core_nomem: LDFLAGS += $(foreach f,malloc calloc realloc aligned_alloc,-Wl,--wrap=$(f))
.PRECIOUS: $(BUILD)/unit/%.o $(BUILD)/fuzz/%.o

# What hostile bytes are thrown at. Without FUZZER, which is the compiler's flag that brings one, they replay tests/corpus.
FUZZ_SHARED := fuzz replay
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/fuzz_%,$(filter-out $(FUZZ_SHARED:%=tests/fuzz/%.c),$(wildcard tests/fuzz/*.c)))
$(BUILD)/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/fuzz $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@
$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/%.o $(BUILD)/fuzz/fuzz.o $(if $(FUZZER),,$(BUILD)/fuzz/replay.o) $(ALL_BELOW)
	$(CC) $(LDFLAGS) $(FUZZER) $^ $(PKG_LIBS) -o $@
fuzz-programs: $(FUZZ_PROGRAMS)
fuzz:
	@scripts/fuzz $(SECONDS)
# The engine in a simulated host: what it calls there is replaced.
SIM_OBJECTS := $(patsubst tests/sim/%.c,$(BUILD)/tests-sim/%.o,$(wildcard tests/sim/*.c))
SIM_WRAPPED := open openat close read pread write pwrite stat lstat fstat statx unlink fallocate ftruncate fsync sqlite3_exec \
	tq_crumb_map tq_ledger_apply tq_ledger_open tq_ledger_each_live recovery_decide commit_then
$(BUILD)/tests-sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/sim $(PKG_CFLAGS) $(CFLAGS) $(PIC) -c $< -o $@
$(BUILD)/tests-sim/sim: $(SIM_OBJECTS) $(BUILD)/libtq-engine.a $(ALL_BELOW)
	$(CC) $(LDFLAGS) $(foreach f,$(SIM_WRAPPED),-Wl,--wrap=$(f)) $^ $(PKG_LIBS) -o $@
sim: $(BUILD)/tests-sim/sim
	@$< -n $(or $(SEEDS),1000)
crash: all
	@for target in supervisor engine launcher; do BUILD=$(BUILD) tests/crash/crash -f $(or $(FAULT),KILL) -e $(or $(EVERY),1) $$target || exit 1; done
power: all
	@BUILD=$(BUILD) tests/power/power -e $(or $(EVERY),1) -s $(or $(SEED),1)

check: $(UNIT_PROGRAMS) $(FUZZ_PROGRAMS) $(BUILD)/tests-sim/sim all
	@BUILD=$(BUILD) tests/unit/run $(UNIT_PROGRAMS) $(FUZZ_PROGRAMS) $(BUILD)/tests-sim/sim tests/models/models
ifneq ($(SAN),)
	@if [ "$$(id -u)" = 0 ]; then BUILD=$(BUILD) SAN=$(SAN) tests/system/run; \
	else echo "system tests under sanitizers: skipped, they need root"; fi
endif

lint:
	@scripts/lint $(BUILD)

analyze:
	@scripts/analyze

coverage:
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || :
	@$(MAKE) BUILD=build/coverage COVERAGE=1 SAN= check
	@scripts/coverage build/coverage

BENCH_PROGRAMS := $(addprefix $(BUILD)/bench/,bench noop nothing)
$(BUILD)/bench/noop: tests/bench/noop.c
	@mkdir -p $(@D)
	$(CC) -O2 -static $< -o $@
$(BUILD)/bench/nothing: tests/bench/nothing.c
	@mkdir -p $(@D)
	$(CC) -O2 -ffreestanding -fno-stack-protector -nostdlib -static $< -o $@
# The bare loop's sandbox is tenantq-exec's.
BENCH_SOURCES := $(wildcard tests/bench/b*.c) $(addprefix src/exec/,dev.c network.c sandbox.c surroundings.c template.c)
$(BUILD)/bench/bench: $(BENCH_SOURCES) $(ALL_BELOW)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

bench-programs: all $(BENCH_PROGRAMS)
bench: bench-programs
	@scripts/bench $(BUILD)

soak:
	+@scripts/vm --timeout $$(($(or $(MINUTES),30) * 60 + 900)) -- env TENANTQ_TEST_MINUTES=$(or $(MINUTES),30) \
		TENANTQ_SEED=$(SEED) TENANTQ_TEST_TIMEOUT=$$(($(or $(MINUTES),30) * 60 + 600)) tests/vm/run 95-soak
vmtest:
	+@scripts/vm --timeout 2700 -- env TENANTQ_SEED=$(TENANTQ_SEED) tests/vm/run

# Installation --------------------------------------------------------------------------------------

SUBSTITUTE := sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g'

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(SYSCONFDIR)/tenants.d \
		$(DESTDIR)$(SYSCONFDIR)/profiles
	install -m 0755 $(BUILD)/tenantqd $(DESTDIR)$(SBINDIR)/
	install -m 0755 $(BUILD)/tenantqctl $(DESTDIR)$(BINDIR)/
	install -m 0755 $(BUILD)/tenantq-engine $(BUILD)/tenantq-exec $(BUILD)/tenantq-holder $(DESTDIR)$(LIBEXECDIR)/
	for u in tenantq.service tenantq-jobs.service tenantq.slice; do \
		$(SUBSTITUTE) units/$$u > $(DESTDIR)$(UNITDIR)/$$u && chmod 0644 $(DESTDIR)$(UNITDIR)/$$u || exit 1; done
	install -m 0644 units/tenantq.sysusers $(DESTDIR)$(SYSUSERSDIR)/tenantq.conf
	install -m 0644 units/tenantq.tmpfiles $(DESTDIR)$(TMPFILESDIR)/tenantq.conf
	install -D -m 0644 units/tenantq.catalog $(DESTDIR)$(CATALOGDIR)/tenantq.catalog
	test -e $(DESTDIR)$(SYSCONFDIR)/tenantq.conf || \
		install -m 0644 conf/tenantq.conf $(DESTDIR)$(SYSCONFDIR)/tenantq.conf
	install -m 0644 conf/tenants.d/example.conf.sample $(DESTDIR)$(SYSCONFDIR)/tenants.d/
	install -d $(DESTDIR)$(BASHCOMPDIR)
	$(BUILD)/tenantqctl completion bash > $(DESTDIR)$(BASHCOMPDIR)/tenantqctl
	chmod 0644 $(DESTDIR)$(BASHCOMPDIR)/tenantqctl
	install -d $(DESTDIR)$(ZSHCOMPDIR)
	$(BUILD)/tenantqctl completion zsh > $(DESTDIR)$(ZSHCOMPDIR)/_tenantqctl
	chmod 0644 $(DESTDIR)$(ZSHCOMPDIR)/_tenantqctl
	for s in 1 5 7 8; do for m in src/man/*.$$s; do test -e $$m || continue; \
		install -D -m 0644 $$m $(DESTDIR)$(MANDIR)/man$$s/$$(basename $$m) || exit 1; done; done

deb:
	@scripts/deb

clean:
	rm -rf build

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
