# nfbench: `make run` and `make test` do everything. Work in progress: the build helper owns this file.
BUILD ?= build
CC ?= cc
CFLAGS ?= -O3 -g -march=x86-64-v3 -fno-math-errno -fno-trapping-math
WARN = -Wall -Wextra -Werror
ALL_CFLAGS = -std=gnu11 $(WARN) -fopenmp -D_GNU_SOURCE -I. -MMD -MP $(CFLAGS)
LIBS = -ldnnl -lncursesw -ltinfo -lreadline -lpng -linih -ljansson -lmd -lm -lpthread
MODULES = base kernels kernels/cpu engine viz sessions tui
objs = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tui/main.c,$(wildcard $(1)/*.c)))
all: nfbench
nfbench: $(BUILD)/tui/main.o $(foreach m,$(MODULES),$(call objs,$(m)))
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
