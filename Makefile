# Swin-UMamba in C.   make help  lists the targets.
#
# A program's main file is listed in PROGRAMS; every other .c file of the folders goes into one library. A new file
# needs no line here.

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

# `make deps check`: the other targets run in a second make, after deps, because they depend on the installed packages.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
REST := $(filter-out deps,$(MAKECMDGOALS))
.PHONY: deps $(REST)
deps:
	@tests/deps
$(REST): deps
	@$(MAKE) $@
else

VARIANT ?= release
# The folder of the golden references, results of the official code: make golden GOLDEN=FOLDER.
export GOLDEN ?= ../shared/golden
# make V=1 prints the commands; else only the targets.
Q = $(if $(V),,@echo '  $@';)
ifeq ($(VARIANT),release)
B := build
else
B := build/$(VARIANT)
endif

FOLDERS := base formats plans data pictures preprocess evaluation weights network/device network/graph network/ops \
           network/executor network/optimizer network/models model recipe planner convert inference library trainer pretrain
PROGRAMS := planner/plan_and_preprocess trainer/train pretrain/pretrain inference/predict inference/ensemble \
            inference/find_best_configuration evaluation/evaluate \
            data/make_phantom convert/convert_dataset model/network_info inference/convert_weights \
            bench/bench bench/compare_networks bench/slow_link bench/sums tests/golden tests/turn tests/paint tests/use_library
# serve alone needs libmicrohttpd, and is left out without it.
PKG_CONFIG ?= pkg-config
ifneq ($(shell $(PKG_CONFIG) --exists libmicrohttpd 2>/dev/null && echo yes),)
PROGRAMS += serve/serve
endif
# convert_dicom alone needs DCMTK (whose older versions have no pkg-config file), OpenJPEG and a C++ compiler.
DCMTK := $(wildcard $(SYSROOT)/usr/include/dcmtk/dcmseg/segdoc.h $(SYSROOT)/usr/local/include/dcmtk/dcmseg/segdoc.h)
ifneq ($(and $(DCMTK),$(shell $(PKG_CONFIG) --exists libopenjp2 2>/dev/null && command -v $(lastword $(CXX)))),)
PROGRAMS += dicom/convert_dicom
DICOM_LIBS := -ldcmseg -ldcmfg -ldcmiod -ldcmjpeg -ldcmjpls -ldcmimgle -ldcmdata -loflog -lofstd $(shell $(PKG_CONFIG) --libs libopenjp2)
endif
MAINS := $(wildcard $(PROGRAMS:=.c))

CC ?= cc
CXX ?= g++
CFLAGS_release := -O3 -g1
CFLAGS_debug := -O0 -g3
CFLAGS_asan := -O1 -g3 -DFAULTS -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -g3 -fsanitize=thread
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -fno-omit-frame-pointer -fno-sanitize-recover=undefined
ifeq ($(CFLAGS_$(VARIANT)),)
$(error VARIANT=$(VARIANT): expected release, debug, asan or tsan)
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wno-unknown-pragmas -Werror=format-security
ifdef CI
WARNINGS += -Werror
endif
ARCH := $(shell $(CC) -dumpmachine)
# Hardening of the release build (docs/security.md, Build). The user's own flags come later and win. The checks of
# _FORTIFY_SOURCE need optimisation. Some compilers define it themselves, to another level: hence -U. 3 is of GCC 12 and Clang.
ifeq ($(VARIANT),release)
accepts = $(shell $(CC) -Werror -O2 $(1) -include stdio.h -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
HARDENING := -fstack-protector-strong $(call accepts,-fstack-clash-protection)
HARDENING += $(if $(findstring x86_64,$(ARCH)),-fcf-protection) $(if $(findstring aarch64,$(ARCH)),-mbranch-protection=standard)
ifeq ($(findstring _FORTIFY_SOURCE,$(CC) $(CFLAGS) $(CPPFLAGS))$(filter -O0,$(CFLAGS)),)
HARDENING += $(or $(call accepts,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif
PIE := -pie
LINKING := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
endif
# Kernels do not depend on the sign of zero, errno or floating-point exceptions; these flags allow faster vector code.
KERNELS := -ffp-contract=fast -fno-math-errno -fno-trapping-math -fno-signed-zeros
# The shared library is made of the same objects: position-independent, and names that are not its interface are hidden.
ALL_CXXFLAGS := -std=c++17 -D_GNU_SOURCE -I. -fPIC -fvisibility=hidden -MMD -MP $(WARNINGS) $(CFLAGS_$(VARIANT)) $(HARDENING) $(CXXFLAGS)$(CPPFLAGS:%= %)
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -fPIC -fvisibility=hidden -fopenmp -MMD -MP $(WARNINGS) $(CFLAGS_$(VARIANT)) $(HARDENING) $(CFLAGS)$(CPPFLAGS:%= %)

# Dependencies: pkg-config where a package has it, else by name (make deps installs them). SYSROOT: of a cross compiler.
PACKAGES := yaml-0.1 libpng libtiff-4 libjpeg zlib libxxhash
LIBS_found = $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
ALL_CFLAGS += -I$(SYSROOT)/usr/include/nifti
LIBS = $(LINKING) $(LDFLAGS) $(LIBS_found) -ldnnl -lnifti2 -lznz -lm -lpthread

SOURCES := $(filter-out $(MAINS),$(wildcard $(FOLDERS:=/*.c)))
# A file with an OpImpl or a function for each SIMD level (SIMD_HEAD, SIMD_NAME, POINTWISE) is compiled once for each;
# which one runs is chosen at run time (network/graph/op.h).
ifneq ($(findstring x86_64,$(ARCH)),)
LEVELS := avx512_bf16 avx512 avx2 portable
else ifneq ($(findstring aarch64,$(ARCH)),)
LEVELS := neon portable
# GCC 12 for aarch64 crashes where it vectorises largest values (fmax), as tests compute them.
$(B)/obj/tests/%.o: private ALL_CFLAGS += -fno-tree-vectorize
else
LEVELS := portable
endif
LEVEL_avx512_bf16 := -march=x86-64-v4 -mavx512bf16 -mprefer-vector-width=512 -DSIMD_LEVEL=avx512_bf16 -DSIMD_BF16
LEVEL_avx512 := -march=x86-64-v4 -mprefer-vector-width=512 -DSIMD_LEVEL=avx512
LEVEL_avx2 := -march=x86-64-v3 -DSIMD_LEVEL=avx2
LEVEL_neon := -DSIMD_LEVEL=neon -DSIMD_USES_NEON
LEVEL_portable := -DSIMD_LEVEL=portable -DSIMD_BASE
ifeq ($(VARIANT),fuzz)
# No target runs kernels; with sanitizers some would take minutes to compile.
$(foreach level,$(filter-out portable,$(LEVELS)),$(eval LEVEL_$(level) += -O0 -fno-sanitize=all))
endif
LEVELLED := $(shell grep -lE 'SIMD_HEAD|SIMD_NAME|^POINTWISE' $(wildcard network/ops/*.c bench/*.c) /dev/null)
objects_of = $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(LEVELLED),$(1))) \
             $(foreach level,$(LEVELS),$(patsubst %.c,$(B)/obj/%.$(level).o,$(filter $(LEVELLED),$(1))))
OBJECTS := $(call objects_of,$(SOURCES))
LIBRARY := $(B)/libswinumamba.a
# The library for other programs (docs/library.md). Its objects are named, because nothing else calls them. The number is
# that of the interface: it changes when programs must be built again.
VERSION := $(shell sed -n 's/^\#define PROGRAM_VERSION "\(.*\)"$$/\1/p' base/program.h)
SONAME := libswinumamba.so.0
SHARED := $(B)/libswinumamba.so.$(VERSION)
COMPLETE_release := -Wl,-z,defs
INTERFACE := $(call objects_of,$(wildcard library/*.c))

TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
SUPPORT := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/support/*.c))
FUZZ_READERS := $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/fuzz/libfuzzer.c,$(wildcard tests/fuzz/*.c)))
BENCH := $(call objects_of,$(filter-out $(MAINS),$(wildcard bench/*.c)))
DICOM := $(call objects_of,$(filter-out dicom/convert_dicom.c,$(wildcard dicom/*.c))) $(patsubst %.cc,$(B)/obj/%.o,$(wildcard dicom/*.cc))
FUZZ_OBJECTS := $(FUZZ_READERS) $(if $(DICOM_LIBS),$(DICOM))
FUZZ_LIBS := $(if $(DICOM_LIBS),$(DICOM_LIBS) -lstdc++)
SERVE := $(call objects_of,$(filter-out serve/serve.c,$(wildcard serve/*.c)))
BINARIES := $(foreach main,$(MAINS:.c=),$(B)/$(notdir $(main))) $(if $(DICOM_LIBS),$(B)/make_dicom)

# The GPU's part: kernels (.cu) and what calls CUDA's libraries. Its objects are linked as they are, not from the library:
# an archive does not answer weak symbols (OP_LIST). make CUDA=1 needs NVIDIA's toolkit; check-cuda-host only g++.
GPU_TESTS := $(patsubst tests/cuda/%.c,%,$(wildcard tests/cuda/test_*.c))
GPU_SOURCES := $(wildcard network/cuda/*.c network/cuda/*.cu network/ops/*.cu network/optimizer/*.cu inference/*.cu)
ifdef CUDA
CUDA_PATH ?= /usr/local/cuda
CUDA_ARCHITECTURES ?= $(filter 75 80 86 89 90 100 120,$(patsubst sm_%,%,$(shell $(CUDA_PATH)/bin/nvcc --list-gpu-code)))
ifeq ($(CUDA_ARCHITECTURES),)
$(error CUDA=1: there is no $(CUDA_PATH)/bin/nvcc; CUDA_PATH=FOLDER names the toolkit)
endif
NCCL := $(wildcard $(CUDA_PATH)/include/nccl.h /usr/include/nccl.h)
GPU_OBJECTS := $(patsubst %,$(B)/obj/%.o,$(if $(NCCL),$(GPU_SOURCES),$(filter-out network/cuda/ranks_nccl.c,$(GPU_SOURCES))))
# PTX of the last one, for GPUs that are newer than the toolkit.
NVCC_CODE := $(foreach a,$(CUDA_ARCHITECTURES),-gencode arch=compute_$(a),code=sm_$(a)) \
             -gencode arch=compute_$(lastword $(CUDA_ARCHITECTURES)),code=compute_$(lastword $(CUDA_ARCHITECTURES))
NVCC := $(CUDA_PATH)/bin/nvcc -std=c++20 -O3 -I. $(NVCC_CODE) -Xcompiler -Wall -Werror all-warnings
LIBS += -L$(CUDA_PATH)/lib64 -L$(CUDA_PATH)/lib -Wl,-rpath,$(CUDA_PATH)/lib64:$(CUDA_PATH)/lib -lcublasLt -lcudnn $(if $(NCCL),-lnccl) -lcudart_static -lstdc++ -ldl -lrt
endif

# Several machines: make MPI=1 needs Open MPI or another one with a pkg-config file. Its objects are linked as the GPU's, with the programs
# that share their work (Program.shares).
MPI_PROGRAMS := planner/plan_and_preprocess trainer/train inference/predict evaluation/evaluate bench/sums
ifdef MPI
MPI_PACKAGE := $(firstword $(foreach package,ompi-c ompi mpich impi,$(shell $(PKG_CONFIG) --exists $(package) 2>/dev/null && echo $(package))))
ifeq ($(MPI_PACKAGE),)
$(error MPI=1: there is no MPI that pkg-config knows; on Debian: apt install libopenmpi-dev openmpi-bin)
endif
MPI_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard mpi/*.c))
$(MPI_OBJECTS): private ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags $(MPI_PACKAGE))
MPI_LIBS := $(shell $(PKG_CONFIG) --libs $(MPI_PACKAGE))
endif
# What the programs are linked with for MPI: only these are linked again if it changes.
mpi_of = $(if $(filter $(MPI_PROGRAMS),$(1)),$(MPI_OBJECTS) $(B)/mpi)
mpi_libs_of = $(if $(filter $(MPI_PROGRAMS),$(1)),$(MPI_LIBS))

.PHONY: all check check-unit check-cuda check-cuda-host check-mpi check-memory check-threads mutants faults fuzz check-all golden bench demo wheel install uninstall dist dist-source portable dist-binary deb clean help
.SECONDARY:
all: $(BINARIES) $(SHARED)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/obj/%.o: %.cc $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -c $< -o $@
$(FUZZ_READERS): private ALL_CFLAGS += $(if $(DICOM_LIBS),-DFUZZ_DICOM)
$(B)/obj/dicom/jpeg2000.o: private ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags libopenjp2 2>/dev/null)

define level_rule
$(B)/obj/%.$(1).o: %.c $(B)/flags
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(ALL_CFLAGS) $(KERNELS) $(LEVEL_$(1)) -c $$< -o $$@
endef
$(foreach level,$(LEVELS),$(eval $(call level_rule,$(level))))
$(B)/obj/network/optimizer/update_cpu.o: private ALL_CFLAGS += $(KERNELS)

$(B)/obj/network/cuda/%.c.o: network/cuda/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I$(CUDA_PATH)/include -c $< -o $@

$(B)/obj/%.cu.o: %.cu $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(NVCC) -MD -MF $(@:.o=.d) -c $< -o $@

# Rebuilds everything when the flags change (CI, CFLAGS, another compiler, CUDA).
FLAGS := $(CC) $(ALL_CFLAGS) $(KERNELS) $(PIE) $(LINKING) $(NVCC) $(CXX)
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' > $@
$(B)/mpi: FORCE
	@mkdir -p $(B)
	@echo '$(MPI_PACKAGE)' | cmp -s - $@ || echo '$(MPI_PACKAGE)' > $@
.PHONY: FORCE

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(Q)ar rcs $@ $^

# With sanitizers names are missing that programs have.
$(SHARED): library/swin_umamba.map $(INTERFACE) $(GPU_OBJECTS) $(LIBRARY)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$< $(COMPLETE_$(VARIANT)) \
	    $(filter-out $<,$^) -o $@ $(LIBS)
	@ln -sf $(@F) $(B)/$(SONAME)
	@ln -sf $(SONAME) $(B)/libswinumamba.so

define program_rule
$(B)/$(notdir $(1)): $(B)/obj/$(1).o $(if $(filter tests/%,$(1)),$(SUPPORT)) $(if $(filter bench/%,$(1)),$(BENCH)) $(if $(filter serve/%,$(1)),$(SERVE)) $(call mpi_of,$(1)) $(GPU_OBJECTS) $(LIBRARY)
	$$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $$(filter-out $(B)/mpi,$$^) -o $$@ $(if $(filter serve/%,$(1)),$(shell $(PKG_CONFIG) --libs libmicrohttpd)) $(call mpi_libs_of,$(1)) $(LIBS)
endef
$(foreach main,$(filter-out dicom/%,$(MAINS:.c=)),$(eval $(call program_rule,$(main))))

# Of the libraries only those that are used are loaded: it needs no oneDNN.
$(B)/convert_dicom: $(B)/obj/dicom/convert_dicom.o $(DICOM) $(LIBRARY)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) -Wl,--as-needed $^ -o $@ $(DICOM_LIBS) $(LIBS) -lstdc++

$(B)/make_dicom: $(B)/obj/tests/make_dicom.o $(LIBRARY)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) -Wl,--as-needed $^ -o $@ $(DICOM_LIBS) $(LIBS) -lstdc++
$(B)/obj/tests/make_dicom.o: private ALL_CXXFLAGS += $(shell $(PKG_CONFIG) --cflags libopenjp2 2>/dev/null)

$(B)/tests/%: $(B)/obj/tests/%.o $(SUPPORT) $(GPU_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $^ -o $@ $(LIBS) -lcmocka

$(B)/tests/test_fuzz: $(B)/obj/tests/test_fuzz.o $(FUZZ_OBJECTS) $(SUPPORT) $(GPU_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $^ -o $@ $(FUZZ_LIBS) $(LIBS) -lcmocka

# What serve does without libmicrohttpd.
$(B)/tests/test_clients: $(B)/obj/tests/test_clients.o $(patsubst %,$(B)/obj/serve/%.o,clients daemon_log) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $^ -o $@ $(LIBS) -lcmocka

# Searches for inputs that readers of files do not survive (docs/security.md): make fuzz FUZZ="png tiff" SECONDS=600. It needs clang.
$(B)/fuzz: $(B)/obj/tests/fuzz/libfuzzer.o $(FUZZ_OBJECTS) $(patsubst %,$(B)/obj/tests/support/%.o,small_net fuzz_pth png_chunk) $(LIBRARY)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $^ -o $@ $(FUZZ_LIBS) $(LIBS)

SECONDS ?= 60
fuzz:
	@$(MAKE) VARIANT=fuzz CC='$(or $(CLANG),clang)' CXX='$(or $(CLANGXX),clang++)' build/fuzz/fuzz
	@tests/fuzz/search build/fuzz $(SECONDS) $(FUZZ)

$(GPU_TESTS:%=$(B)/tests/%): $(B)/tests/%: $(B)/obj/tests/cuda/%.o $(SUPPORT) $(GPU_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $^ -o $@ $(LIBS) -lcmocka

# make check SIMD=avx2: uses a lower SIMD level than the CPU supports. Also for golden and bench.
ifdef SIMD
export SWIN_UMAMBA_SIMD := $(SIMD)
endif

check: all $(TESTS)
	@tests/run $(B)

# Only the test programs, without the scripts of the command line.
check-unit: all $(TESTS)
	@tests/run $(B) $(notdir $(TESTS))

# The GPU's part on the host, without CUDA: an emulator runs the kernels, doubles stand for the libraries (docs/cuda.md).
# The same programs and tests as else, linked with them, are in cuda_host.
E := $(B)/cuda_host
EMULATED := $(patsubst %,$(E)/obj/%.o,$(GPU_SOURCES))
EMULATOR := $(patsubst tests/cuda/%.cc,$(E)/obj/tests/cuda/%.o,$(filter-out tests/cuda/test_%,$(wildcard tests/cuda/*.cc)))
EMULATED_TESTS := test_emulator test_cublaslt test_cudnn test_nccl test_ops test_recipe $(GPU_TESTS)
EMULATED_PROGRAMS := trainer/train inference/predict planner/plan_and_preprocess model/network_info tests/golden bench/bench
CXXFLAGS_host := -std=c++20 -O2 -g1 -I. -Itests/cuda -Itests/cuda/include -MMD -MP -Wall -Wextra -Wshadow \
                 -Wno-unknown-pragmas -Wno-missing-field-initializers $(if $(CI),-Werror)
# A value of a thread that was never set is a large negative number.
WATCHED := -ftrivial-auto-var-init=pattern -fsanitize=thread,bounds-strict,object-size,alignment -fno-sanitize-recover=bounds-strict,object-size,alignment

$(E)/obj/%.cu.o: %.cu $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_host) $(WATCHED) -x c++ -c $< -o $@

$(E)/obj/%.o: %.cc $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_host) -c $< -o $@

$(E)/obj/network/cuda/%.c.o: network/cuda/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/cuda/include -c $< -o $@

$(E)/tests/test_emulator: $(E)/obj/tests/cuda/test_emulator.o $(E)/obj/tests/cuda/broken.cu.o $(EMULATOR)
	@mkdir -p $(@D)
	$(Q)$(CXX) $^ -o $@ -lpthread

$(E)/tests/test_cublaslt: $(patsubst %,$(E)/obj/network/cuda/%.c.o,product recording)
$(E)/tests/test_cudnn: $(patsubst %,$(E)/obj/network/cuda/%.c.o,convolution cudnn_plan recording)
$(E)/tests/test_cublaslt $(E)/tests/test_cudnn: $(E)/tests/%: $(E)/obj/tests/cuda/%.o $(EMULATOR) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CXX) -fopenmp $(filter-out $(LIBRARY),$^) $(LIBRARY) -o $@ $(LIBS)

$(E)/tests/test_nccl: $(E)/obj/tests/cuda/test_nccl.o $(EMULATOR)
	@mkdir -p $(@D)
	$(Q)$(CXX) $^ -o $@ -lpthread

$(GPU_TESTS:%=$(E)/tests/%): $(E)/tests/%: $(B)/obj/tests/cuda/%.o $(SUPPORT) $(EMULATED) $(EMULATOR) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CXX) -fopenmp $^ -o $@ $(LIBS) -lcmocka

$(E)/tests/%: $(B)/obj/tests/%.o $(SUPPORT) $(EMULATED) $(EMULATOR) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CXX) -fopenmp $^ -o $@ $(LIBS) -lcmocka

define emulated_program_rule
$(E)/$(notdir $(1)): $(B)/obj/$(1).o $(if $(filter tests/%,$(1)),$(SUPPORT)) $(if $(filter bench/%,$(1)),$(BENCH)) $(call mpi_of,$(1)) $(EMULATED) $(EMULATOR) $(LIBRARY)
	$$(Q)$(CXX) -fopenmp $$(filter-out $(B)/mpi,$$^) -o $$@ $(call mpi_libs_of,$(1)) $(LIBS)
endef
$(foreach main,$(EMULATED_PROGRAMS),$(eval $(call emulated_program_rule,$(main))))

# What the toolkit can tell without a GPU: make CUDA=1 check-cuda.
ifdef CUDA
$(B)/obj/tests/cuda/cudnn_plans.o: private ALL_CFLAGS += -I$(CUDA_PATH)/include
$(B)/tests/cudnn_plans: $(B)/obj/tests/cuda/cudnn_plans.o $(GPU_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $^ -o $@ $(LIBS)

check-cuda: $(B)/tests/cudnn_plans
	@tests/run $(B) cudnn_plans cuda_headers ptxas scan_instructions
endif

check-cuda-host: all $(addprefix $(E)/tests/,$(EMULATED_TESTS)) $(addprefix $(E)/,$(notdir $(EMULATED_PROGRAMS)))
	@SWIN_UMAMBA_TEST_DEVICE=cuda tests/run $(E) $(EMULATED_TESTS) cuda_headers train_predict_gpu several_gpus memory_gpu gpu_check golden_gpu $(if $(MPI),gpu_ranks)

# Several processes on this machine: make MPI=1 check-mpi.
check-mpi: all
	@tests/run --jobs 1 $(B) $(notdir $(basename $(wildcard tests/mpi/*.sh)))

# Under valgrind, a short run of each program.
check-memory: all
	@tests/run $(B) short_runs

# Under the thread sanitizer, the same and what tests threads: make VARIANT=tsan check-threads. OpenMP has one thread, since its
# library is not instrumented.
THREADED := test_trainer test_training_run test_planner test_predictor test_fold_networks test_crew test_files \
            test_watched_folder
check-threads: all $(THREADED:%=$(B)/tests/%)
	@OMP_NUM_THREADS=1 tests/run $(B) $(THREADED) short_runs

# Mutants of the kernels, which their cases must catch (docs/cuda.md). FILES: patterns.
mutants: $(E)/tests/test_ops $(E)/tests/test_gpu
	@tests/cuda/mutants.py $(E) '$(CXX) $(CXXFLAGS_host) $(WATCHED)' \
	  '$(CXX) -fopenmp $(B)/obj/TEST.o $(SUPPORT) $(EMULATED) $(EMULATOR) $(LIBRARY) -o TEST $(LIBS) -lcmocka' $(FILES)

# Faults of memory, files and disks, kills (docs/security.md). FAULTS: options of tests/faults/run. All take hours.
faults: all
	@$(MAKE) --no-print-directory VARIANT=asan all
	@python3 -B tests/faults/run build/asan $(FAULTS)
	@python3 -B tests/faults/run build $(FAULTS)

check-all:
	@tests/run_all

golden: all
	@$(B)/golden "$(GOLDEN)" $(ONLY)

bench: all
	@$(B)/bench

demo: all
	@tests/demo $(B)

# The package for Python (docs/python.md): the library with all that it needs, in one file for pip.
WHEEL_FOLDER ?= $(B)/wheel
wheel: $(SHARED)
	@command -v python3 >/dev/null || { echo 'make wheel: these packages are missing: apt install python3 patchelf' >&2; exit 1; }
	@$(if $(CUDA),echo 'make wheel: the wheel is for CPUs: make it without CUDA=1' >&2; exit 1)
	@python3 python/build_wheel.py $(SHARED) $(VERSION) $(WHEEL_FOLDER)

prefix ?= $(or $(PREFIX),/usr/local)
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
CMAKEDIR := $(libdir)/cmake/SwinUmamba
FOR_USERS := $(filter-out bench compare_networks slow_link sums golden turn paint use_library make_dicom,$(notdir $(BINARIES)))
INSTALLED_NAMES := $(addprefix swin-umamba-,$(subst _,-,$(FOR_USERS)))
INSTALLED := $(INSTALLED_NAMES:%=$(prefix)/bin/%)
# The programs print their man pages and completions themselves, under the names that they are installed with.
MAN := $(prefix)/share/man/man1
BASH := $(prefix)/share/bash-completion/completions
ZSH := $(prefix)/share/zsh/site-functions
FISH := $(prefix)/share/fish/vendor_completions.d
INSTALLED_HELP := $(INSTALLED_NAMES:%=$(MAN)/%.1) $(INSTALLED_NAMES:%=$(BASH)/%) $(INSTALLED_NAMES:%=$(ZSH)/_%) $(INSTALLED_NAMES:%=$(FISH)/%.fish)
INSTALLED_LIBRARY := $(libdir)/$(notdir $(SHARED)) $(libdir)/$(SONAME) $(libdir)/libswinumamba.so $(includedir)/swin_umamba.h \
                     $(libdir)/pkgconfig/swin-umamba.pc $(CMAKEDIR)/SwinUmambaConfig.cmake $(CMAKEDIR)/SwinUmambaConfigVersion.cmake
FILL = sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' -e 's|@version@|$(VERSION)|g' \
       -e 's|@soname@|$(SONAME)|' -e "s|@include_from_here@|$$(realpath -m --relative-to=$(CMAKEDIR) $(includedir))|"

install: all
	install -d $(DESTDIR)$(prefix)/bin
	for program in $(FOR_USERS); do \
	    install $(B)/$$program $(DESTDIR)$(prefix)/bin/swin-umamba-$$(echo $$program | tr _ -) || exit; done
	install -d $(addprefix $(DESTDIR),$(MAN) $(BASH) $(ZSH) $(FISH))
	for name in $(INSTALLED_NAMES); do \
	    program=$(DESTDIR)$(prefix)/bin/$$name; \
	    $$program --help-man >$(DESTDIR)$(MAN)/$$name.1 && \
	    $$program --completion=bash >$(DESTDIR)$(BASH)/$$name && \
	    $$program --completion=zsh >$(DESTDIR)$(ZSH)/_$$name && \
	    $$program --completion=fish >$(DESTDIR)$(FISH)/$$name.fish || exit; done
	install -d $(DESTDIR)$(includedir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(CMAKEDIR)
	install -m 644 $(SHARED) $(DESTDIR)$(libdir)
	ln -sf $(notdir $(SHARED)) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libswinumamba.so
	install -m 644 library/swin_umamba.h $(DESTDIR)$(includedir)
	$(FILL) library/package/swin-umamba.pc.in >$(DESTDIR)$(libdir)/pkgconfig/swin-umamba.pc
	for name in SwinUmambaConfig SwinUmambaConfigVersion; do \
	    $(FILL) library/package/$$name.cmake.in >$(DESTDIR)$(CMAKEDIR)/$$name.cmake || exit; done
	install -d $(DESTDIR)$(prefix)/share/doc/swin-umamba-c/examples
	install -d $(DESTDIR)$(prefix)/share/doc/swin-umamba-c/docs/pictures
	install -m 644 LICENSE README.md $(DESTDIR)$(prefix)/share/doc/swin-umamba-c
	install -m 644 docs/*.md $(DESTDIR)$(prefix)/share/doc/swin-umamba-c/docs
	install -m 644 docs/pictures/*.png $(DESTDIR)$(prefix)/share/doc/swin-umamba-c/docs/pictures
	install -m 644 examples/* $(DESTDIR)$(prefix)/share/doc/swin-umamba-c/examples

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED) $(INSTALLED_HELP) $(INSTALLED_LIBRARY))
	rm -rf $(DESTDIR)$(prefix)/share/doc/swin-umamba-c $(DESTDIR)$(CMAKEDIR)

# Packages (docs/packages.md).
DATE = $(shell sed -n 's/^\#define PROGRAM_DATE "\([0-9-]*\)".*/\1/p' base/program.h)
PACKAGE := swin-umamba-c-$(VERSION)
PORTABLE := $(PACKAGE)-linux-$(firstword $(subst -, ,$(ARCH)))
DIST := $(B)/dist
dist: dist-source dist-binary

dist-source:
	@mkdir -p $(DIST)
	tools/source_tarball $(PACKAGE) $(DATE) >$(DIST)/$(PACKAGE).tar
	xz -f -T1 $(DIST)/$(PACKAGE).tar

# The folder that the binary tarball has.
portable: all
	rm -rf $(DIST)/$(PORTABLE)
	@$(MAKE) --no-print-directory -s -o all install DESTDIR=$(abspath $(DIST)/$(PORTABLE)) prefix= libdir=/lib includedir=/include
	tools/portable_folder $(DIST)/$(PORTABLE)

dist-binary: portable
	tar --format=gnu --sort=name --mtime='$(DATE) 00:00:00 UTC' --owner=root:0 --group=root:0 --mode=u=rwX,go=rX \
	    -C $(DIST) -cf $(DIST)/$(PORTABLE).tar $(PORTABLE)
	xz -f -T1 $(DIST)/$(PORTABLE).tar

# Debian's packages are built from what the source tarball has.
deb: dist-source
	rm -rf $(DIST)/debian
	mkdir $(DIST)/debian
	tar -C $(DIST)/debian -xf $(DIST)/$(PACKAGE).tar.xz
	cd $(DIST)/debian/$(PACKAGE) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u GOLDEN dpkg-buildpackage -us -uc

clean:
	rm -rf build

help:
	@echo 'all check check-unit check-cuda-host check-mpi check-memory check-threads faults fuzz check-all golden bench demo deps wheel install uninstall dist deb clean; VARIANT=release|debug|asan|tsan; CUDA=1; MPI=1'

-include $(shell find $(B)/obj $(E)/obj -name '*.d' 2>/dev/null)

endif
