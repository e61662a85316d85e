# nfbench. `make run` and `make test` each do everything, from installing what is missing to the last line; `make help`
# lists the rest. Sources are found by wildcard: a new file in a module's folder needs no line here.

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

# ---- What a user may set ----
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
MARCH ?= native
OPTIMIZE ?= -O3 -g -march=$(MARCH) -fno-math-errno -fno-trapping-math
CFLAGS ?= $(OPTIMIZE)
CUDA ?= 1
CUDA_HOME ?= /usr/local/cuda
HEADLESS ?=
MPI ?=
NCCL ?=
ONEDNN ?= 1
SHARED ?= ../shared
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN)
# Some of the tests wait more than they compute.
TEST_JOBS ?= $(shell echo $$(($(PROCESSORS) * 3 / 2)))
V ?=
WERROR ?= -Werror

ifeq ($(origin CC),default)
CC := cc
endif
# One job a processor, unless the person asked otherwise.
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(PROCESSORS)
endif
MAKEFLAGS += --no-print-directory
Q := $(if $(V),,@)
comma := ,
space := $(comma) $(comma)
space := $(subst $(comma),,$(space))

# The product stands at the top; every other build keeps its own beside its objects.
BINARY := $(if $(filter build,$(BUILD)),nfbench,$(BUILD)/nfbench)

# ---- CUDA, where its compiler is: in CUDA_HOME, else on the PATH. `make CUDA=0` leaves it out ----
ifneq ($(CUDA),0)
NVCC ?= $(or $(wildcard $(CUDA_HOME)/bin/nvcc),$(shell command -v nvcc))
endif
ifneq ($(NVCC),)
override CUDA_HOME := $(patsubst %/bin/,%,$(dir $(realpath $(NVCC))))
ALL_CUDA_ARCHITECTURES := 75 80 86 89 90
# The architecture of this machine's GPUs; without one, all that the compiler knows. Asked for once, not by each make.
ifeq ($(CUDA_ARCHITECTURES),)
CUDA_ARCHITECTURES := $(or $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | \
    sed -nE 's/^([0-9]+)\.([0-9])$$/\1\2/p' | sort -nu),$(filter $(ALL_CUDA_ARCHITECTURES),$(patsubst \
    compute_%,%,$(shell $(NVCC) --list-gpu-arch))))
endif
export CUDA_ARCHITECTURES
endif

# ---- NCCL, which adds up the gradients of several GPUs: `make MPI=1 NCCL=1`, from NCCL_HOME; it is fetched where the
# machine has none ----
NCCL_HOME ?= $(patsubst %/include/nccl.h,%,$(firstword $(wildcard $(addsuffix /include/nccl.h,$(CUDA_HOME) /usr/local /usr)) \
    $(BUILD)/nccl/include/nccl.h))
NCCL_ABSENT := kernels/cuda/ranks_$(if $(filter-out 0,$(NCCL)),absent,nccl).cu
NCCL_FOLDERS := $(NCCL_HOME)/lib $(wildcard $(NCCL_HOME)/lib64)
NCCL_LINK := $(addprefix -L,$(NCCL_FOLDERS)) $(addprefix -Wl$(comma)-rpath$(comma),$(abspath $(NCCL_FOLDERS)) '$$ORIGIN/../lib/nfbench') \
    -l:libnccl.so.2
$(NCCL_HOME)/include/nccl.h:
	@PYTHON='$(PYTHON)' NVCC='$(NVCC)' scripts/nccl.sh $(NCCL_HOME)
$(BUILD)/kernels/cuda/ranks_nccl.o: private COMPILE_CUDA += -I$(NCCL_HOME)/include
$(BUILD)/kernels/cuda/ranks_nccl.o: | $(NCCL_HOME)/include/nccl.h

# ---- Modules, lowest first: each a static library, linked with those below it and the libraries it names ----
MODULES := base kernels cuda engine viz sessions fetch tui
FOLDERS_kernels := kernels/cpu
MORE_SOURCES_kernels := $(wildcard kernels/selftest*.c) $(if $(filter 0,$(ONEDNN)),tests/gpu/standin/conv_plain.c)
# kernels/cuda.h is answered by kernels/cuda/*.cu, or by a file that says that there is no CUDA.
MORE_SOURCES_cuda := $(if $(NVCC),$(filter-out $(NCCL_ABSENT),$(wildcard kernels/cuda/*.cu)),kernels/cuda_absent.c)
# engine/dist.h is answered by MPI (`make MPI=1`), or by a file that says that there is one process alone.
MPICC ?= mpicc
MPI_COMPILE := $(shell $(MPICC) --showme:compile 2>/dev/null)
MPI_LINK := $(shell $(MPICC) --showme:link 2>/dev/null)
DIST_ABSENT := engine/dist_$(if $(filter-out 0,$(MPI)),alone,mpi).c
# What needs ncurses or readline; the rest of the screen has no caller without it.
SCREEN_SOURCES := $(wildcard tui/app*.c tui/panel*.c) $(addprefix tui/,cli_screen.c keys.c overlay.c repl.c scene.c screen.c tune_screen.c tune_table.c tune_columns.c tune_detail.c)
EXCLUDED := tui/main.c $(DIST_ABSENT) $(if $(filter 0,$(ONEDNN)),kernels/cpu/conv.c kernels/cpu/conv_create.c) $(if $(HEADLESS),$(SCREEN_SOURCES),tui/screen_absent.c)
LINK_base := base
LINK_kernels := kernels $(LINK_base)
LINK_engine := engine $(LINK_kernels)
LINK_viz := viz $(LINK_base)
LINK_sessions := sessions $(LINK_engine)
LINK_fetch := fetch $(LINK_sessions)
LINK_cuda := cuda $(LINK_base)
LINK_tui := tui fetch sessions viz cuda $(LINK_engine)
LIBRARIES_engine = $(if $(filter-out 0,$(MPI)),$(or $(MPI_LINK),$(error MPI=1 needs $(MPICC): apt-get install libopenmpi-dev (make deps MPI=1))))
LIBRARIES_kernels := $(if $(filter 0,$(ONEDNN)),,-ldnnl)
LIBRARIES_viz := -lpng -ljpeg
LIBRARIES_sessions := -linih -ljansson -lmd
LIBRARIES_fetch := -larchive -lmd
LIBRARIES_tui := $(if $(HEADLESS),,-lreadline -lncursesw -ltinfo) -ldl
CUDA_LIBRARY_FOLDERS := $(wildcard $(addprefix $(CUDA_HOME)/,lib64 lib targets/*/lib))
LIBRARIES_cuda := $(if $(NVCC),$(addprefix -L,$(CUDA_LIBRARY_FOLDERS)) $(addprefix -Wl$(comma)-rpath$(comma),$(firstword \
    $(CUDA_LIBRARY_FOLDERS))) $(if $(filter-out 0,$(NCCL)),$(NCCL_LINK)) -lcublasLt -lcudart_static -lstdc++ -ldl -lrt -lpthread)

# A test folder of another name than a module's links with:
LINK_peer := $(LINK_sessions)
LINK_terminal := $(LINK_tui)
LINK_faults := $(LINK_tui)
LINK_ranks := $(LINK_tui)
TEST_FOLDERS := $(filter-out cuda,$(MODULES)) peer $(if $(HEADLESS),,terminal faults) $(if $(MPI_LINK),ranks)
LIBRARIES_TESTS := -lcmocka
LIBRARIES_TESTS_terminal := -lvterm -lutil
LIBRARIES_TESTS_faults := $(LIBRARIES_TESTS_terminal)
# ... and with these of another folder.
MORE_TEST_HELPERS_ranks := tests/tui/process.c
MORE_TEST_HELPERS_faults := tests/tui/process.c tests/terminal/pty.c tests/terminal/pty_screen.c
MORE_TEST_HELPERS_tui := tests/engine/tiny_run.c tests/fetch/server.c tests/fetch/packing.c tests/viz/png_kinds.c tests/viz/jpeg_kinds.c

# Text cut to its field is meant; gcc's warning about it comes and goes with the level of optimisation.
WARNINGS := -Wall -Wextra $(WERROR) -Wno-format-truncation
COMPILE = $(CC) -std=gnu11 $(WARNINGS) -fopenmp -pthread -D_GNU_SOURCE -I. $(CPPFLAGS) $(CFLAGS)
# Kernels differ between Turing and all that came later: so these have one PTX, the oldest's, and machine code each.
gencode = $(if $(1),-gencode arch=compute_$(firstword $(1))$(comma)code=[$(subst $(space),$(comma),$(addprefix sm_,$(1)))])
COMPILE_CUDA = $(NVCC) -std=c++17 -O3 -I. -Ikernels/cuda/hardware -Xcompiler -Wall,-Wextra -Xptxas -v \
    $(if $(WERROR),-Werror all-warnings) $(call gencode,$(filter 75,$(CUDA_ARCHITECTURES))) \
    $(call gencode,$(sort $(filter-out 75,$(CUDA_ARCHITECTURES)))) \
    -DNFBENCH_CUDA_ARCHITECTURES="\"$(strip $(CUDA_ARCHITECTURES))\""
archives = $(foreach m,$(LINK_$(1)),$(BUILD)/$(m).a)
libraries = $(foreach m,$(LINK_$(1)),$(LIBRARIES_$(m))) -lm
objects = $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(1))))

# Whatever is made appears whole: until then it has a name that only this command has, so that one that is ended leaves
# no half, and two makes in one folder are in nobody's way.
NEW = $@.$$$$
# An object is as old as the beginning of its compilation: a source that changes meanwhile is compiled again.
define compile
$(Q): >$(NEW).t; $(1) -MMD -MP -MT $@ -MF $(NEW).d -c -o $(NEW) $< $(2) && touch -r $(NEW).t $(NEW) && \
    mv $(NEW).d $(@:.o=.d) && mv $(NEW) $@; result=$$?; rm -f $(NEW).[dt]; $(3) exit $$result
endef

# What was found is said before anything is compiled: all objects wait for the flags, and these for it.
all: announce binary
ANNOUNCE := $(if $(filter all,$(or $(MAKECMDGOALS),all)),announce)

binary: $(BINARY)
	@:

$(BINARY): $(BUILD)/tui/main.o $(call archives,tui)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $^ $(call libraries,tui) && mv $(NEW) $@

# The commit that is built, where there is one; in an object of its own, so that another compiles nothing else anew.
COMMIT := $(if $(wildcard .git),$(shell git describe --always --dirty=+ --exclude='*' 2>/dev/null))
$(BUILD)/commit: always
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || { echo '$(COMMIT)' >$(NEW) && mv $(NEW) $@; }
$(BUILD)/tui/version.o: $(BUILD)/commit
$(BUILD)/tui/version.o: private CPPFLAGS += -DNFBENCH_COMMIT='"$(COMMIT)"'

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(call compile,$(COMPILE))

$(BUILD)/engine/dist_mpi.o: private CPPFLAGS += $(MPI_COMPILE:-I%=-isystem %)

# Each kernel's registers and spills, as the assembler tells them, stay beside the object: see cuda-check.
$(BUILD)/%.o: %.cu $(BUILD)/flags.cuda
	@mkdir -p $(@D)
	@echo "  NVCC    $<"
	$(call compile,$(COMPILE_CUDA),>$(@:.o=.ptxas) 2>&1,grep -vE '^ptxas info|bytes (stack frame|gmem)' $(@:.o=.ptxas) >&2;)

# Hold the compile commands, so that other flags mean other objects.
$(BUILD)/flags: FLAGS = $(COMPILE)
$(BUILD)/flags.cuda: FLAGS = $(COMPILE_CUDA)
$(BUILD)/flags $(BUILD)/flags.cuda $(BUILD)/flags.emulated: always | $(ANNOUNCE)
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || { echo '$(FLAGS)' >$(NEW) && mv $(NEW) $@; }

# What takes files in as they are.
$(BUILD)/sessions/recipes.o: $(wildcard recipes/*.ini)

# An archive is made anew when its sources are others: without one that is gone, with MPI instead of without.
define module_rules
SOURCES_$(1) := $$(filter-out $$(EXCLUDED),$$(wildcard $$(addsuffix /*.c,$$(or $$(FOLDERS_$(1)),$(1)))) $$(MORE_SOURCES_$(1)))
$(BUILD)/$(1).a: $$(call objects,$$(SOURCES_$(1))) $(BUILD)/$(1).sources
	$$(archive)
endef
archive = $(Q)ar rcs $(NEW) $(filter %.o,$^) && mv $(NEW) $@
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))
$(addprefix $(BUILD)/,$(addsuffix .sources,$(MODULES) cuda_emulated)): $(BUILD)/%.sources: always | $(ANNOUNCE)
	@mkdir -p $(@D)
	@echo '$(SOURCES_$*)' | cmp -s - $@ || { echo '$(SOURCES_$*)' >$(NEW) && mv $(NEW) $@; }

# ---- Tests: tests/FOLDER/test_*.c is a program each; the other .c files there, and tests/support, go into all ----
TEST_SUPPORT := $(call objects,$(wildcard tests/support/*.c))
define test_rules
TESTS_$(1) := $$(patsubst %.c,$(BUILD)/%,$$(wildcard tests/$(1)/test_*.c))
TEST_HELPERS_$(1) := $$(call objects,$$(filter-out tests/$(1)/test_%.c,$$(wildcard tests/$(1)/*.c)) $$(MORE_TEST_HELPERS_$(1)))
$$(TESTS_$(1)): %: %.o $$(TEST_HELPERS_$(1)) $$(TEST_SUPPORT) $$(call archives,$(1))
	@echo "  LINK    $$@"
	$$(Q)$$(COMPILE) $$(LDFLAGS) -o $$(NEW) $$^ $$(call libraries,$(1)) $$(LIBRARIES_TESTS) $$(LIBRARIES_TESTS_$(1)) && mv $$(NEW) $$@
endef
$(foreach m,$(TEST_FOLDERS),$(eval $(call test_rules,$(m))))
TESTS := $(foreach m,$(TEST_FOLDERS),$(TESTS_$(m)))
$(BUILD)/tests/sessions/test_json: private LDFLAGS += -Wl,--wrap=malloc -Wl,--wrap=reallocarray
# Libraries that tests have nfbench load in place of others; before a sanitizer's own are ready.
FAKE_NVML := $(BUILD)/tests/support/nvml/libnvidia-ml.so.1
SHIM := $(BUILD)/tests/faults/preload/shim.so
NO_ROOM := $(BUILD)/tests/ranks/preload/room.so
$(FAKE_NVML): tests/support/nvml/fake_nvml.c
$(SHIM): tests/faults/preload/shim.c
$(NO_ROOM): tests/ranks/preload/room.c
$(FAKE_NVML) $(SHIM) $(NO_ROOM): $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(filter-out -fsanitize% -fno-sanitize%,$(COMPILE)) -fPIC -shared -o $(NEW) $(filter %.c,$^) && mv $(NEW) $@

# The program, with what its own code asks for memory and threads led through failing.c; without the CUDA runtime, whose
# static library would be taken for our own code.
FAILING := $(BUILD)/tests/faults/nfbench-failing
FAILING_CALLS := malloc calloc realloc reallocarray aligned_alloc posix_memalign strdup strndup realpath fopen fdopen opendir \
    asprintf vasprintf pthread_create
FAILING_PARTS := $(filter-out cuda,$(LINK_tui))
$(FAILING): $(call objects,tui/main.c tests/faults/allocations/failing.c kernels/cuda_absent.c) \
    $(FAILING_PARTS:%=$(BUILD)/%.a)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) $(addprefix -Wl$(comma)--wrap=,$(FAILING_CALLS)) -o $(NEW) $^ \
	    $(foreach m,$(FAILING_PARTS),$(LIBRARIES_$(m))) -lm && mv $(NEW) $@

# ---- CUDA under emulation: kernels/cuda as C++ on the CPU (tests/cuda_emulation), with or without a toolkit ----
# tests/cuda/test_*.c and .cu are a program each; the other .c files there, and what tests of other folders share, go
# into all.
# ASan's search for uses of a stack after return costs much on 1,024 stacks; its kernels want an optimiser.
COMPILE_EMULATED = $(CXX) -x c++ -std=gnu++17 -fno-strict-aliasing $(WARNINGS) -Wno-unknown-pragmas -Wno-maybe-uninitialized -D_GNU_SOURCE \
    -Itests/cuda_emulation -I. -DNFBENCH_CUDA_ARCHITECTURES='"75 80 86 89 90"' $(CPPFLAGS) $(CFLAGS) \
    $(if $(findstring address,$(CFLAGS)),-O2 --param asan-use-after-return=0)
EMULATED_SOURCES := $(filter-out %/ranks_absent.cu,$(wildcard kernels/cuda/*.cu) $(wildcard tests/cuda_emulation/*.cpp))
EMULATED_TESTS := $(wildcard tests/cuda/test_*.cu)
TESTS_cuda := $(addprefix $(BUILD)/,$(basename $(wildcard tests/cuda/test_*.c tests/cuda_emulation/test_*.c) $(EMULATED_TESTS)))
TEST_HELPERS_cuda := $(call objects,$(filter-out tests/cuda/test_%.c,$(wildcard tests/cuda/*.c))) $(TEST_HELPERS_kernels) $(TEST_HELPERS_engine) \
    $(call objects,tests/sessions/resumes.c)
emulated = $(addprefix $(BUILD)/emulated/,$(addsuffix .o,$(basename $(1))))

define emulated_rule
$(call emulated,$(1)): $(1) $(BUILD)/flags.emulated
	@mkdir -p $$(@D)
	@echo "  EMULATE $(1)"
	$$(call compile,$$(COMPILE_EMULATED))
endef
$(foreach s,$(EMULATED_SOURCES) $(EMULATED_TESTS),$(eval $(call emulated_rule,$(s))))
$(BUILD)/flags.emulated: FLAGS = $(COMPILE_EMULATED)
SOURCES_cuda_emulated := $(EMULATED_SOURCES)
$(BUILD)/cuda_emulated.a: $(call emulated,$(EMULATED_SOURCES)) $(BUILD)/cuda_emulated.sources
	$(archive)

$(foreach t,$(EMULATED_TESTS),$(eval $(BUILD)/$(basename $(t)): $(call emulated,$(t))))
$(foreach t,$(filter-out $(EMULATED_TESTS:.cu=),$(TESTS_cuda:$(BUILD)/%=%)),$(eval $(BUILD)/$(t): $(BUILD)/$(t).o))
$(TESTS_cuda): $(TEST_HELPERS_cuda) $(TEST_SUPPORT) $(BUILD)/cuda_emulated.a $(call archives,sessions)
	@echo "  LINK    $@"
	$(Q)$(CXX) $(CFLAGS) -fopenmp -pthread $(LDFLAGS) -o $(NEW) $(filter $@.o $(BUILD)/emulated/$(@:$(BUILD)/%=%).o,$^) \
	    $(filter-out $@.o $(BUILD)/emulated/$(@:$(BUILD)/%=%).o,$^) $(call libraries,sessions) $(LIBRARIES_TESTS) && mv $(NEW) $@
TESTS += $(TESTS_cuda)

# The program with MPI, for tests/ranks, where this machine has it.
MPI_BINARY := $(if $(MPI_LINK),$(BUILD)/tests/ranks/nfbench)
$(BUILD)/tests/ranks/nfbench: $(BUILD)/tui/main.o $(BUILD)/engine/dist_mpi.o $(call archives,tui)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $^ $(call libraries,tui) $(MPI_LINK) && mv $(NEW) $@

# ... on emulated GPUs, with a stand-in for NCCL.
MPI_EMULATED_BINARY := $(addsuffix -emulated,$(MPI_BINARY))
$(BUILD)/tests/ranks/nfbench-emulated: $(BUILD)/tui/main.o $(BUILD)/engine/dist_mpi.o \
    $(foreach m,$(filter-out cuda,$(LINK_tui)),$(BUILD)/$(m).a) $(BUILD)/cuda_emulated.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CXX) $(CFLAGS) -fopenmp -pthread $(LDFLAGS) -o $(NEW) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	    $(foreach m,$(filter-out cuda,$(LINK_tui)),$(LIBRARIES_$(m))) $(MPI_LINK) -lm && mv $(NEW) $@

TEST_SCRIPTS := $(wildcard tests/*/test_*.sh tests/*/test_*.py)

ALL_OBJECTS := $(call objects,tui/main.c engine/dist_alone.c engine/dist_mpi.c tests/faults/allocations/failing.c kernels/cuda_absent.c $(foreach m,$(MODULES),$(SOURCES_$(m)))) $(TEST_SUPPORT) \
    $(foreach m,$(TEST_FOLDERS) cuda,$(TEST_HELPERS_$(m))) $(addsuffix .o,$(TESTS)) \
    $(call emulated,$(EMULATED_SOURCES) $(EMULATED_TESTS)) \
    $(call objects,kernels/cuda/ranks_nccl.cu tests/terminal/screenshots/screenshots.c $(wildcard tests/gpu/*.c))
-include $(ALL_OBJECTS:.o=.d)

EMULATED_BINARY := $(BUILD)/nfbench-emulated
# Sanitizers would see nothing new in the first, which takes barriers away to see results change, in those of the GPU
# (tests/engine has the same runs, and other tests the kernels that they come by), in numbers that others have, and in MPI.
NOT_SANITIZED := cuda_emulation/test_removed $(addprefix cuda/test_,flights kept_state live look on_divergence resume trial) \
    engine/test_probe_theory peer/test_interchange peer/test_peer ranks/test_ranks ranks/test_ranks_lack
CHECKED_TESTS := $(if $(findstring sanitize,$(CFLAGS)),$(filter-out $(addprefix %/,$(NOT_SANITIZED)),$(TESTS)),$(TESTS))
tests: $(BINARY) $(CHECKED_TESTS) $(FAKE_NVML) $(SHIM) $(FAILING) $(EMULATED_BINARY) $(if $(filter %/test_ranks,$(CHECKED_TESTS)),$(MPI_BINARY) $(MPI_EMULATED_BINARY) $(NO_ROOM))

# The whole program on the emulated GPU: what people see of a GPU is tested with it.
$(EMULATED_BINARY): $(BUILD)/tui/main.o $(foreach m,$(filter-out cuda,$(LINK_tui)),$(BUILD)/$(m).a) $(BUILD)/cuda_emulated.a
	@echo "  LINK    $@"
	$(Q)$(CXX) $(CFLAGS) -fopenmp -pthread $(LDFLAGS) -o $(NEW) $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	    $(foreach m,$(filter-out cuda,$(LINK_tui)),$(LIBRARIES_$(m))) -lm && mv $(NEW) $@

# The real images and PyTorch's numbers, where the machine has what makes them; tests that want them skip elsewhere.
NFBENCH_CIFAR10 ?= $(abspath $(BUILD))/cifar10/cifar-10-batches-bin
NFBENCH_PEER_FILES ?= $(abspath $(BUILD))/peer
# Of Python, as scripts/python-packages.sh installs it.
NFBENCH_PYTHON_PACKAGES ?= $(abspath $(BUILD))/python
# These tests are of the CPU: they see no GPU where there is one.
TEST_ENVIRONMENT = TEST_JOBS=$(TEST_JOBS) CUDA_VISIBLE_DEVICES= NFBENCH_BINARY=$(abspath $(BINARY)) BUILD=$(BUILD) SHARED=$(abspath $(SHARED)) PYTHON=$(PYTHON) \
    NFBENCH_CIFAR10=$(NFBENCH_CIFAR10) NFBENCH_PEER_FILES=$(NFBENCH_PEER_FILES) NFBENCH_PYTHON_PACKAGES=$(NFBENCH_PYTHON_PACKAGES)

# The longest come first, so that no processor waits for one of them in the end: in turn one of those that mostly wait,
# of a screen, and one that computes.
WAITING_TESTS := $(filter $(TESTS_terminal),$(CHECKED_TESTS))
COMPUTING_TESTS := $(filter $(TESTS_cuda),$(CHECKED_TESTS)) $(filter-out $(TESTS_cuda) $(TESTS_terminal),$(CHECKED_TESTS))
check: tests
	@$(TEST_ENVIRONMENT) scripts/run-tests.sh $(subst |, ,$(join $(addsuffix |,$(WAITING_TESTS)),$(COMPUTING_TESTS))) $(TEST_SCRIPTS)

# ---- Faults: what tests/faults does at random or in part, in full, and resumes; SEED=N draws other instants ----
FAULTS := $(TESTS_faults) $(BUILD)/tests/sessions/test_resume $(addprefix $(BUILD)/tests/fetch/,test_fetch_place test_unpack)
faults: $(BINARY) $(FAULTS) $(SHIM) $(FAILING)
	@NFBENCH_FAULTS=all NFBENCH_FAULTS_SEED='$(SEED)' TEST_TIMEOUT=7200 $(TEST_ENVIRONMENT) scripts/run-tests.sh $(FAULTS) \
	    $(wildcard tests/faults/test_*.sh)

# ---- What the screen looks like: as text, compared by test_golden_screens, and as pictures for the README ----
golden-screens: $(BINARY) $(BUILD)/tests/terminal/test_golden_screens
	@$(TEST_ENVIRONMENT) NFBENCH_WRITE_GOLDEN=1 $(BUILD)/tests/terminal/test_golden_screens

SCREENSHOTS := $(BUILD)/tests/terminal/screenshots/screenshots
$(SCREENSHOTS): $(SCREENSHOTS).o $(BUILD)/tests/terminal/pty.o $(BUILD)/tests/terminal/pty_screen.o $(call archives,terminal)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $^ $(call libraries,terminal) $(LIBRARIES_TESTS) $(LIBRARIES_TESTS_terminal) && mv $(NEW) $@

# Of a short run on the built-in images: those of CIFAR do not go into the project.
SCREENSHOTS_RUN ?= --preset micro --data synthetic --limit 4000 --validation 500 --epochs 5 --probe-every 10 --session picture
screenshots: $(BINARY) $(SCREENSHOTS)
	@mkdir -p docs/views
	@$(TEST_ENVIRONMENT) $(SCREENSHOTS) docs/views $(SCREENSHOTS_RUN)

# ---- What people type ----
run: deps
	@$(MAKE) all
	@./nfbench $(ARGS)

test:
	@scripts/deps.sh $(NEEDED) test mpi
	@$(MAKE) all
	@$(MAKE) check

NEEDED := build $(if $(HEADLESS),,screen) $(if $(NVCC),cuda) $(if $(filter-out 0,$(MPI)),mpi)
deps:
	@scripts/deps.sh $(NEEDED)

install: $(BINARY)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/nfbench
ifneq ($(if $(filter $(BUILD)/nccl,$(NCCL_HOME)),$(if $(NVCC),$(filter-out 0,$(NCCL)))),)
	install -d $(DESTDIR)$(PREFIX)/lib/nfbench
	install -m 644 $(NCCL_HOME)/lib/libnccl.so.2 $(DESTDIR)$(PREFIX)/lib/nfbench/
endif

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/nfbench
	rm -f $(DESTDIR)$(PREFIX)/lib/nfbench/libnccl.so.2
	[ ! -d $(DESTDIR)$(PREFIX)/lib/nfbench ] || rmdir $(DESTDIR)$(PREFIX)/lib/nfbench

clean:
	rm -rf build nfbench nfbench.[0-9]*

FORMATTED := $(wildcard $(addsuffix /*.[ch],$(MODULES) $(FOLDERS_kernels) tests/support $(addprefix tests/,$(TEST_FOLDERS))) \
    tests/gpu/*.[ch] tests/gpu/standin/*.[ch] tests/terminal/screenshots/*.c tests/faults/preload/*.c tests/ranks/preload/*.c tests/faults/allocations/*.c kernels/*.c $(addsuffix /*.cu,kernels/cuda tests/cuda) \
    $(addsuffix /*.h,kernels/cuda kernels/cuda/hardware tests/cuda) kernels/cuda/*.cuh tests/cuda/*.c \
    $(addprefix tests/cuda_emulation/*,.c .h .cpp))

format:
	@scripts/deps.sh lint
	clang-format -i $(sort $(FORMATTED))

format-check:
	@scripts/deps.sh lint
	@clang-format --dry-run --Werror $(sort $(FORMATTED)) && echo "format: $(words $(sort $(FORMATTED))) files as .clang-format asks"

lint:
	@scripts/deps.sh lint
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    -j $(PROCESSORS) -D_GNU_SOURCE -I. $(sort $(filter %.c,$(FORMATTED)))
	@scripts/check-arrows.sh
	@echo "lint: no warnings"

# ---- Sanitizers: builds of their own, in folders of their own ----
# Without CUDA: its code is compiled by nvcc, which knows no sanitizers.
# With sanitizers in the code gcc no longer sees that a variable is always set.
SANITIZE_COMMON := -O1 -g -march=$(MARCH) -fno-omit-frame-pointer -Wno-maybe-uninitialized
sanitize:
	@scripts/deps.sh $(NEEDED) test
	@ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/tests/support/lsan.supp:print_suppressions=0 \
	    $(MAKE) check CUDA=0 BUILD=$(BUILD)/sanitize NFBENCH_CIFAR10=$(NFBENCH_CIFAR10) \
	    NFBENCH_PEER_FILES=$(NFBENCH_PEER_FILES) NFBENCH_PYTHON_PACKAGES=$(NFBENCH_PYTHON_PACKAGES) \
	    CFLAGS='$(SANITIZE_COMMON) -fsanitize=address,undefined -fno-sanitize-recover=all'

# One OpenMP thread: TSan cannot see libgomp's barriers. What it is for are our own threads: trainer, queues, loader,
# those that serve a run, attach to one and read sessions.
TSAN_TESTS := $(filter $(foreach n,live trainer trainer_commands trainer_divergence trainer_probe trainer_waits trial on_divergence kept_state lr_find \
    step_time look loader queue ring control evaluate port,%test_$(n)),$(TESTS_engine)) \
    $(addprefix $(BUILD)/tests/tui/,test_serve $(if $(HEADLESS),,test_course))
tsan:
	@scripts/deps.sh $(NEEDED) test
	@OMP_THREAD_LIMIT=1 TSAN_OPTIONS=suppressions=$(CURDIR)/tests/support/tsan.supp:halt_on_error=1 \
	    $(MAKE) tsan-check CUDA=0 BUILD=$(BUILD)/tsan NFBENCH_CIFAR10=$(NFBENCH_CIFAR10) \
	    CFLAGS='$(SANITIZE_COMMON) -fsanitize=thread'

tsan-check: $(TSAN_TESTS)
	@$(TEST_ENVIRONMENT) scripts/run-tests.sh $(TSAN_TESTS)

# ---- CUDA for every architecture: compiles without a warning, and no convolution spills registers ----
cuda-check:
ifneq ($(NVCC),)
	@$(MAKE) cuda-table CUDA_ARCHITECTURES='$(ALL_CUDA_ARCHITECTURES)' BUILD=$(if $(filter-out \
	    $(CUDA_ARCHITECTURES),$(ALL_CUDA_ARCHITECTURES)),$(BUILD)/all-architectures,$(BUILD))
else
	@echo "cuda-check: skipped: no CUDA compiler here (CUDA_HOME=$(CUDA_HOME))"
endif

# The program with MPI and NCCL, as `make MPI=1 NCCL=1` makes it: it compiles, links and starts.
NCCL_BINARY := $(BUILD)/nfbench-nccl
$(NCCL_BINARY): $(BUILD)/tui/main.o $(BUILD)/engine/dist_mpi.o $(BUILD)/kernels/cuda/ranks_nccl.o $(call archives,tui)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $^ $(call libraries,tui) $(NCCL_LINK) $(MPI_LINK) && mv $(NEW) $@

nccl: $(if $(NVCC),$(NCCL_HOME)/include/nccl.h)
	@:

nccl-check:
ifneq ($(NVCC),)
	@scripts/deps.sh $(NEEDED) mpi
	@$(MAKE) $(NCCL_BINARY)
	@$(NCCL_BINARY) --version && echo "nccl-check: built with MPI and NCCL"
else
	@echo "nccl-check: skipped: no CUDA compiler here (CUDA_HOME=$(CUDA_HOME))"
endif

cuda-table: $(BUILD)/cuda.a
	@scripts/cuda-table.sh $(addprefix $(BUILD)/,$(MORE_SOURCES_cuda:.cu=.ptxas))

# ---- On a real GPU. Needs the CUDA toolkit and a C and C++ compiler, no library: what is missing of oneDNN and cmocka
# has a small stand-in in tests/gpu/standin. PyTorch for the comparison ----
header_is_there = $(wildcard $(addsuffix /$(1),/usr/include /usr/local/include /usr/include/*-linux-gnu))
GPU_BUILD := $(BUILD)/gpu
GPU_SETTINGS = BUILD=$(GPU_BUILD) $(if $(call header_is_there,oneapi/dnnl/dnnl.h),,ONEDNN=0) \
    $(if $(call header_is_there,cmocka.h),,CPPFLAGS='$(CPPFLAGS) -Itests/gpu/standin' LIBRARIES_TESTS=)
# Tests of the emulation itself need it, and so do those that want a slow GPU; those of sessions need their libraries.
GPU_TEST_SOURCES := $(filter-out %/test_removed.c $(wildcard tests/cuda/test_emulation*.cu) %/test_flights.c %/test_resume.c,\
    $(wildcard tests/gpu/test_*.c tests/cuda/test_*.c tests/cuda/test_*.cu))
GPU_TESTS = $(addprefix $(1)/on-gpu/,$(basename $(GPU_TEST_SOURCES)))
GPU_HELPERS := $(call objects,tests/gpu/no_emulation.c tests/gpu/both.c $(filter-out tests/cuda/test_%.c,$(wildcard tests/cuda/*.c)) \
    $(filter-out tests/kernels/test_%.c,$(wildcard tests/kernels/*.c)) tests/engine/tiny_run.c tests/engine/tiny_reference.c \
    tests/engine/probe_rig.c $(wildcard $(addprefix tests/engine/,live_*.c divergences*.c kept_*.c trials*.c)) \
    tests/engine/looks.c)
GPU_ARCHIVES := $(addprefix $(BUILD)/,cuda.a engine.a kernels.a base.a)

gpu-test gpu-bench: gpu-possible

gpu-possible:
	@[ -n "$(NVCC)" ] || { echo "nfbench: no CUDA compiler here (CUDA_HOME=$(CUDA_HOME)): nothing can be built for a GPU"; exit 1; }

gpu-test:
	@$(MAKE) gpu-programs $(GPU_SETTINGS)
	@BUILD=$(GPU_BUILD) CUDA_HOME=$(CUDA_HOME) tests/gpu/test.sh $(call GPU_TESTS,$(GPU_BUILD))

gpu-bench:
	@$(MAKE) gpu-programs $(GPU_SETTINGS)
	@PYTHON=$(or $(GPU_PYTHON),python3) NFBENCH_PEER=$(SHARED)/peer tests/gpu/bench.sh $(GPU_BUILD)/tests/gpu/bench $(ARGS)

gpu-programs: $(call GPU_TESTS,$(BUILD)) $(BUILD)/tests/gpu/bench
$(BUILD)/tests/gpu/bench: $(BUILD)/tests/gpu/bench.o $(GPU_ARCHIVES)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $< $(GPU_ARCHIVES) $(LIBRARIES_cuda) $(LIBRARIES_kernels) -lm && mv $(NEW) $@

$(call GPU_TESTS,$(BUILD)): $(BUILD)/on-gpu/%: $(BUILD)/%.o $(GPU_HELPERS) $(GPU_ARCHIVES)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(COMPILE) $(LDFLAGS) -o $(NEW) $^ $(LIBRARIES_cuda) $(LIBRARIES_kernels) -lm $(LIBRARIES_TESTS) && mv $(NEW) $@

# ---- PyTorch: makes the golden files anew and compares everything in full ----
peer:
	$(PYTHON) tests/peer/peer.py --peer $(SHARED)/peer golden tests/peer/golden
	$(PYTHON) tests/peer/peer.py --peer $(SHARED)/peer live $(NFBENCH_PEER_FILES)
	@$(MAKE) $(TESTS_peer)
	@$(TEST_ENVIRONMENT) scripts/run-tests.sh $(TESTS_peer)

# ---- What was found ----
announce:
	@CC='$(CC)' MARCH='$(MARCH)' CUDA='$(CUDA)' NVCC='$(NVCC)' HEADLESS='$(HEADLESS)' MPI='$(MPI)' MPICC='$(MPICC)' NCCL='$(NCCL)' scripts/found.sh

help:
	@echo "make run [ARGS='...']   install what is missing, build, start nfbench on the screen"
	@echo "make test               install what is missing, build, run all tests"
	@echo "make                    build ./nfbench"
	@echo "make deps               install the libraries that are missing (apt; elsewhere: name them)"
	@echo "make install            to PREFIX=$(PREFIX), under DESTDIR=; make uninstall removes it"
	@echo "make clean              remove what was built"
	@echo "make lint | format | format-check   cppcheck and the arrows between folders | clang-format"
	@echo "make sanitize | tsan    tests under ASan and UBSan | trainer, queues and loader under TSan"
	@echo "make faults [SEED=N]    tests/faults in full: kills by the thousand, every call and every byte in turn (hours)"
	@echo "make golden-screens | screenshots   the screens that tests compare with, anew | pictures of all views (docs/views)"
	@echo "make peer               golden files anew from PyTorch, and the full comparison with it"
	@echo "make nccl-check         the program with MPI and NCCL compiles, links and starts"
	@echo "make cuda-check         compile the GPU's kernels for all architectures; registers and spills of each"
	@echo "make gpu-test | gpu-bench   on a machine with a GPU: all of its tests | speed beside PyTorch's (ARGS='-b 64 report')"
	@echo "make MPI=1 [NCCL=1]     several processes may train one run together (OpenMPI), each with a GPU of its own (NCCL)"
	@echo "Settings: CUDA=0 (leave it out) CUDA_HOME=$(CUDA_HOME) CUDA_ARCHITECTURES='80 90' HEADLESS=1 (no screen)"
	@echo "  BUILD=$(BUILD) CC=$(CC) MARCH=$(MARCH) (x86-64-v3 for other machines' use) CFLAGS= WERROR= V=1 -jN TEST_JOBS=$(TEST_JOBS)"

.PHONY: faults golden-screens screenshots all announce always binary check clean cuda-check cuda-table nccl nccl-check gpu-bench gpu-possible gpu-programs gpu-test deps format format-check help install lint peer run sanitize test tests tsan \
    tsan-check uninstall
