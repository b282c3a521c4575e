# SPDX-License-Identifier: GPL-2.0-only
# Builds Bulkhead: `make help` lists the targets. Everything that is made goes to $(BUILD).

VERSION := 0.1.0

SANITIZE ?= 0
ifeq ($(SANITIZE),1)
BUILD ?= build-asan
else
BUILD ?= build
endif

prefix  ?= /usr/local
bindir  ?= $(prefix)/bin
sbindir ?= $(prefix)/sbin
mandir  ?= $(prefix)/share/man
docdir  ?= $(prefix)/share/doc/bulkhead
unitdir ?= $(prefix)/lib/systemd/system
hookdir ?= $(prefix)/libexec/bulkhead
# Where container runtimes look for CNI plugins, if it is to be there: /opt/cni/bin, /usr/lib/cni, /usr/libexec/cni.
cnidir  ?= $(hookdir)

# `make CC=clang` works too; make's own default (cc) is not what this is tested with.
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG        ?= clang
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy
CPPCHECK     ?= cppcheck
# Not $(CC): clang has another one, which clang-tidy runs.
ANALYZER     ?= gcc
LLVM_STRIP   ?= llvm-strip
PKG_CONFIG   ?= pkg-config
# Debian has it in /usr/sbin, which is not on every user's PATH.
BPFTOOL      ?= $(firstword $(shell command -v bpftool) /usr/sbin/bpftool)
INSTALL      ?= install
# Where Debian keeps asm/types.h: clang does not look there for the BPF target.
MULTIARCH    := $(shell $(CC) -print-multiarch 2>/dev/null)

V ?= 0
ifeq ($(V),0)
Q   := @
say  = @printf '  %-8s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))'
MAKEFLAGS += --no-print-directory
else
Q   :=
say  = @:
endif

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

# ---- what is needed -------------------------------------------------------------------------------------------------

LIBS := libseccomp libbpf libnftnl libmnl libnl-3.0 libnl-route-3.0 yaml-0.1 jansson
debian_libseccomp      := libseccomp-dev
debian_libbpf          := libbpf-dev
debian_libnftnl        := libnftnl-dev
debian_libmnl          := libmnl-dev
debian_libnl-3.0       := libnl-3-dev
debian_libnl-route-3.0 := libnl-route-3-dev
debian_yaml-0.1        := libyaml-dev
debian_jansson         := libjansson-dev
debian_cmocka          := libcmocka-dev

NO_BUILD_GOALS := help clean distclean format format-check uninstall
GOALS          := $(or $(MAKECMDGOALS),all)
NEEDS_BUILD    := $(filter-out $(NO_BUILD_GOALS),$(GOALS))

# One call tells whether all is there; only when not is each looked for by itself.
ifneq ($(NEEDS_BUILD),)
ifeq ($(shell command -v $(PKG_CONFIG)),)
$(error pkg-config is missing: apt-get install pkg-config, or run scripts/deps)
endif
ifneq ($(shell $(PKG_CONFIG) --exists $(LIBS) && echo yes),yes)
missing := $(foreach lib,$(LIBS),$(if $(shell $(PKG_CONFIG) --exists $(lib) && echo yes),,$(debian_$(lib))))
$(error libraries are missing: apt-get install $(strip $(missing)), or run scripts/deps)
endif
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBS))
endif

# $(call need,PROGRAM,DEBIAN PACKAGE): fails with the name of the package.
need = command -v $(1) >/dev/null || { echo "$(1) is missing: apt-get install $(2), or run scripts/deps" >&2; exit 1; }

# ---- flags ----------------------------------------------------------------------------------------------------------

# WERROR=0: while something is half-written; the checks never use it.
WERROR ?= 1
WARNINGS := -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
CPPFLAGS += -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(VERSION)"' -Isrc -I. -I$(BUILD)/gen $(LIB_CFLAGS)
# Some libraries' interfaces (and the array of base/) reach objects by pointers of another type.
CSTD     := -std=gnu11 -fno-strict-aliasing
ifeq ($(SANITIZE),1)
CFLAGS   ?= -O1 -g -fno-omit-frame-pointer
HARDEN   := -fsanitize=address,undefined -fno-sanitize-recover=all
LDHARDEN := $(HARDEN)
else
CFLAGS   ?= -O2 -g
HARDEN   := -fstack-protector-strong -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDHARDEN := -pie -Wl,-z,relro,-z,now
endif
LDLIBS   += $(LIB_LIBS) -lm

FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-address-of-packed-member \
	      -I. -Itc-bpf -idirafter /usr/include/$(MULTIARCH)

# ---- sources --------------------------------------------------------------------------------------------------------

MODULES   := base policy table port gate flow daemon cli hook
MAINS     := $(wildcard src/daemon/main.c src/cli/main.c src/hook/*_main.c)
SOURCES   := $(filter-out $(MAINS),$(sort $(foreach module,$(MODULES),$(wildcard src/$(module)/*.c))))
PROGRAMS  := $(if $(filter src/daemon/main.c,$(MAINS)),$(BUILD)/bulkheadd) \
	     $(if $(filter src/cli/main.c,$(MAINS)),$(BUILD)/bulkhead)
HOOKS     := $(BUILD)/bulkhead-cni $(BUILD)/bulkhead-oci-hook $(BUILD)/bulkhead-lxc-hook $(BUILD)/bulkhead-oci-runtime
LIBRARY   := $(BUILD)/libbulkhead.a

BPF       := $(wildcard tc-bpf/*.bpf.c tests/bpf/*.bpf.c)
SKELETONS := $(patsubst %.bpf.c,$(BUILD)/gen/%.skel.h,$(notdir $(BPF)))

# Programs are tests/{unit,bpf}/test_*.c, tests/bpf/bench*.c, tests/tools/*.c and tests/fuzz/fuzz_*.c. The other C files
# there, and tests/lib/*.c, go to an archive that each of them is linked with (those of tests/fuzz to one of their own). tests/e2e/*.c run in containers that hold
# nothing else: each is linked statically, alone.
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bpf/test_*.c tests/bpf/bench*.c))
TOOLS      := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
STATICS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/e2e/*.c))
# Preloaded into programs by tests.
PRELOADS   := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/preload/*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_HELPERS := $(filter-out tests/fuzz/fuzz_%,$(wildcard tests/fuzz/*.c))
HELPERS    := $(filter-out tests/unit/test_% tests/bpf/test_% tests/bpf/bench% %.bpf.c,\
	      $(wildcard tests/lib/*.c tests/unit/*.c tests/bpf/*.c))
TESTLIB    := $(if $(HELPERS),$(BUILD)/libtest.a)

object = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(patsubst tests/%.c,$(BUILD)/obj/tests/%.o,$(1)))
fuzz_object = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(1))

TEST_SOURCES := $(filter-out %.bpf.c,$(wildcard tests/unit/*.c tests/bpf/*.c tests/tools/*.c tests/lib/*.c))
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
C_SOURCES    := $(SOURCES) $(MAINS) $(TEST_SOURCES) $(FUZZ_SOURCES) $(wildcard tests/e2e/*.c tests/preload/*.c)
OBJECTS      := $(call object,$(SOURCES) $(MAINS) $(TEST_SOURCES))
FORMATTED    := $(sort $(wildcard src/*/*.[ch] tc-bpf/*.[ch] tests/*/*.[ch]))

# ---- targets --------------------------------------------------------------------------------------------------------

.PHONY: all build-tests build-fuzz test test-unit test-bpf test-golden test-scenarios test-e2e test-attacks test-fuzz check format \
	format-check tidy cppcheck analyze install uninstall clean distclean help

all: $(LIBRARY) $(PROGRAMS) $(HOOKS) ## the daemon, the command and the hooks
build-tests: $(UNIT_TESTS) $(BPF_TESTS) $(TOOLS) $(STATICS) $(PRELOADS) all ## the tests' programs
build-fuzz: $(FUZZERS) ## the fuzzers (clang)

# The objects of main() are no part of the library: a test has its own.
$(LIBRARY): $(call object,$(SOURCES))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/bulkheadd: $(BUILD)/obj/daemon/main.o $(LIBRARY)
$(BUILD)/bulkhead: $(BUILD)/obj/cli/main.o $(LIBRARY)
$(BUILD)/bulkheadd $(BUILD)/bulkhead:
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# They are started with every container: no library that they don't use.
$(BUILD)/bulkhead-cni: $(BUILD)/obj/hook/cni_main.o $(LIBRARY)
$(BUILD)/bulkhead-oci-hook: $(BUILD)/obj/hook/oci_main.o $(LIBRARY)
$(BUILD)/bulkhead-lxc-hook: $(BUILD)/obj/hook/lxc_main.o $(LIBRARY)
$(BUILD)/bulkhead-oci-runtime: $(BUILD)/obj/hook/runtime_main.o $(LIBRARY)
$(HOOKS):
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(LDLIBS)

define compile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CSTD) $(CFLAGS) $(WARNINGS) $(HARDEN) -MMD -MP -c -o $@ $<
endef

$(BUILD)/obj/tests/%.o: tests/%.c Makefile
	$(compile)
$(BUILD)/obj/%.o: src/%.c Makefile
	$(compile)

# Only for the first build: after it the .d files know who includes a skeleton.
$(call object,$(wildcard src/gate/*.c) $(TEST_SOURCES)): | $(SKELETONS)

define compile-bpf
	@$(call need,$(CLANG),clang)
	@$(call need,$(LLVM_STRIP),llvm)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $@.d -MT $@ -c -o $@.tmp $<
	$(Q)$(LLVM_STRIP) -g $@.tmp && mv $@.tmp $@
endef

$(BUILD)/gen/%.bpf.o: tc-bpf/%.bpf.c Makefile
	$(compile-bpf)
$(BUILD)/gen/%.bpf.o: tests/bpf/%.bpf.c Makefile
	$(compile-bpf)

$(BUILD)/gen/%.skel.h: $(BUILD)/gen/%.bpf.o
	@$(call need,$(BPFTOOL),bpftool)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< >$@

.SECONDARY:

# ---- tests ----------------------------------------------------------------------------------------------------------

$(BUILD)/libtest.a: $(call object,$(HELPERS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(UNIT_TESTS) $(BPF_TESTS) $(TOOLS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TESTLIB) $(LIBRARY)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -Wl,--as-needed -lcmocka $(LDLIBS)

$(STATICS): $(BUILD)/%: %.c Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CSTD) -O2 $(WARNINGS) -static -MMD -MP -MT $@ -MF $@.d -o $@ $<

$(PRELOADS): $(BUILD)/%.so: %.c Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CSTD) -O2 $(WARNINGS) -shared -fPIC -MMD -MP -MT $@ -MF $@.d -o $@ $<

# The library once more, by clang, so that the fuzzer sees which branches of it an input reaches.
$(BUILD)/fuzz/obj/%.o: %.c Makefile
	$(call say,FUZZCC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(CSTD) $(FUZZ_FLAGS) $(WARNINGS) -Wno-format-nonliteral -fsanitize=fuzzer-no-link \
		-MMD -MP -c -o $@ $<
$(call fuzz_object,$(wildcard src/gate/*.c)): | $(SKELETONS)
$(BUILD)/fuzz/libbulkhead.a: $(call fuzz_object,$(SOURCES))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/fuzz/libtest.a: $(call fuzz_object,$(FUZZ_HELPERS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/libtest.a $(BUILD)/fuzz/libbulkhead.a
	@$(call need,$(CLANG),clang)
	$(call say,LD,$@)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

RUN := tests/run --build $(BUILD)

test: build-tests ## all tests (the kernel's and the end-to-end ones need root)
	$(Q)$(RUN) unit golden bpf e2e attacks
test-unit: build-tests ## unit tests; no privileges
	$(Q)$(RUN) unit
test-bpf: build-tests ## the eBPF programs by BPF_PROG_TEST_RUN; root
	$(Q)$(RUN) bpf
test-golden: build-tests ## what is printed, against the files in tests/golden
	$(Q)$(RUN) golden
test-scenarios: build-tests ## tests/scenarios/*.yaml against every engine; root
	$(Q)$(RUN) tests/e2e/test_scenarios.py
test-e2e: build-tests ## real packets in private namespaces; root
	$(Q)$(RUN) e2e
test-attacks: build-tests ## what a hostile container tries; root
	$(Q)$(RUN) attacks
test-fuzz: build-fuzz ## each fuzzer over its corpus
	$(Q)$(RUN) fuzz
check: ## all that CI runs: both builds, format, tidy, all tests
	$(Q)scripts/check --no-deps

format: ## lay out all C files
	@$(call need,$(CLANG_FORMAT),clang-format)
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)
format-check: ## fail if a C file is not laid out by clang-format
	@$(call need,$(CLANG_FORMAT),clang-format)
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED)

# A stamp a file, so that only what has changed is looked at again.
TIDY := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(C_SOURCES))
tidy: $(TIDY) ## clang-tidy on all C files but the BPF ones
$(BUILD)/tidy/%.ok: %.c .clang-tidy Makefile
	@$(call need,$(CLANG_TIDY),clang-tidy)
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG_TIDY) --quiet $< -- $(CPPFLAGS) $(CSTD) 2>$@.log || { cat $@.log >&2; exit 1; }
	$(Q)$(CC) $(CPPFLAGS) $(CSTD) -MM -MP -MT $@ -MF $@.d $< && touch $@
$(patsubst %.c,$(BUILD)/tidy/%.ok,$(wildcard src/gate/*.c) $(TEST_SOURCES)): | $(SKELETONS)

# The same for two more, of what is installed. cppcheck reads no headers of libraries: .cppcheck.cfg has their macros.
CPPCHECKED := $(patsubst %.c,$(BUILD)/cppcheck/%.ok,$(SOURCES) $(MAINS))
cppcheck: $(CPPCHECKED) ## cppcheck on the C files of src
$(BUILD)/cppcheck/%.ok: %.c .cppcheck .cppcheck.cfg Makefile
	@$(call need,$(CPPCHECK),cppcheck)
	$(call say,CPPCHECK,$<)
	@mkdir -p $(@D)
	$(Q)$(CPPCHECK) --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 \
		--library=gnu,posix --library=.cppcheck.cfg --suppressions-list=.cppcheck -D__GNUC__ -D_GNU_SOURCE \
		-DBULKHEAD_VERSION='"$(VERSION)"' -Isrc -I. $<
	$(Q)$(CC) $(CPPFLAGS) $(CSTD) -MM -MP -MT $@ -MF $@.d $< && touch $@
$(patsubst %.c,$(BUILD)/cppcheck/%.ok,$(wildcard src/gate/*.c)): | $(SKELETONS)

# gcc's analyzer. Two of its warnings are left out. It does not know that what a map or an array holds is freed with it:
# leaks are AddressSanitizer's to find. And it (gcc 12) takes AUTO_FREE's variables for uninitialized ones: those are
# clang-tidy's.
ANALYZED := $(patsubst %.c,$(BUILD)/analyze/%.ok,$(SOURCES) $(MAINS))
analyze: $(ANALYZED) ## gcc -fanalyzer on the C files of src
$(BUILD)/analyze/%.ok: %.c Makefile
	@$(call need,$(ANALYZER),gcc)
	$(call say,ANALYZE,$<)
	@mkdir -p $(@D)
	$(Q)$(ANALYZER) $(CPPFLAGS) $(CSTD) -O2 -fanalyzer -Wno-analyzer-malloc-leak \
		-Wno-analyzer-use-of-uninitialized-value -Werror -MMD -MP -MT $@ -MF $@.d -c -o /dev/null $< && touch $@
$(patsubst %.c,$(BUILD)/analyze/%.ok,$(wildcard src/gate/*.c)): | $(SKELETONS)

# ---- installation ---------------------------------------------------------------------------------------------------

MANUALS   := $(wildcard man/*.1 man/*.5 man/*.8)
EXAMPLES  := $(shell find policies -type f 2>/dev/null)
UNITFILE  := $(wildcard systemd/bulkheadd.service)
HOOKSFILE := hooks/bulkhead-oci-hook.json

install: all ## to $(DESTDIR)$(prefix)
	$(Q)$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(docdir)
	$(Q)$(if $(filter %/bulkheadd,$(PROGRAMS)),$(INSTALL) -m 755 $(BUILD)/bulkheadd $(DESTDIR)$(sbindir)/)
	$(Q)$(if $(filter %/bulkhead,$(PROGRAMS)),$(INSTALL) -m 755 $(BUILD)/bulkhead $(DESTDIR)$(bindir)/)
	$(Q)$(INSTALL) -d $(DESTDIR)$(hookdir) $(DESTDIR)$(cnidir) $(DESTDIR)$(docdir)
	$(Q)$(INSTALL) -m 755 $(filter-out %-cni,$(HOOKS)) $(DESTDIR)$(hookdir)/
	$(Q)$(INSTALL) -m 755 $(BUILD)/bulkhead-cni $(DESTDIR)$(cnidir)/
	$(Q)sed 's|/usr/local/libexec/bulkhead|$(hookdir)|g' $(HOOKSFILE) >$(DESTDIR)$(docdir)/bulkhead-oci-hook.json
	$(Q)chmod 644 $(DESTDIR)$(docdir)/bulkhead-oci-hook.json
	$(Q)$(foreach page,$(MANUALS),$(INSTALL) -D -m 644 $(page) \
		$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) &&) :
	$(Q)$(foreach file,$(EXAMPLES),$(INSTALL) -D -m 644 $(file) $(DESTDIR)$(docdir)/$(file) &&) :
	$(Q)$(if $(UNITFILE),$(INSTALL) -d $(DESTDIR)$(unitdir) && sed 's|/usr/local/sbin|$(sbindir)|g; s|/usr/local/bin|$(bindir)|g' $(UNITFILE) \
		>$(DESTDIR)$(unitdir)/bulkheadd.service && chmod 644 $(DESTDIR)$(unitdir)/bulkheadd.service)
uninstall: ## remove what install has put there
	$(Q)rm -f $(DESTDIR)$(sbindir)/bulkheadd $(DESTDIR)$(bindir)/bulkhead $(DESTDIR)$(unitdir)/bulkheadd.service \
		$(addprefix $(DESTDIR)$(hookdir)/,$(notdir $(HOOKS))) $(DESTDIR)$(cnidir)/bulkhead-cni \
		$(foreach page,$(MANUALS),$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	$(Q)rm -rf $(DESTDIR)$(docdir)

clean: ## remove $(BUILD)
	$(Q)rm -rf $(BUILD)
distclean: ## remove both builds
	$(Q)rm -rf build build-asan

help: ## this list
	@echo 'Targets:'
	@awk -F ':|## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$NF }' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables: V=1 (show commands), BUILD=DIR, SANITIZE=1 (ASan and UBSan, in build-asan), WERROR=0, CC, CFLAGS, DESTDIR, prefix'

-include $(OBJECTS:.o=.d)
-include $(addsuffix .d,$(TIDY) $(CPPCHECKED) $(ANALYZED) $(STATICS) $(PRELOADS))
-include $(patsubst %.o,%.d,$(call fuzz_object,$(SOURCES) $(FUZZ_SOURCES)))
-include $(patsubst %.bpf.c,$(BUILD)/gen/%.bpf.o.d,$(notdir $(BPF)))
