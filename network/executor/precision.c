#include "network/executor/precision.h"

#include <string.h>

#include "network/executor/executor.h"

DType precision_of(const char *name, const Device *device, const char **lacks)
{
    const DType wanted = strcmp(name, "bf16") ? DTYPE_F32 : DTYPE_BF16;
    const bool has = executor_supports(wanted, device);
    *lacks =
        has ? NULL
            : "--precision bf16 requires AVX-512 BF16, which this CPU does not support or SWIN_UMAMBA_SIMD excludes: "
              "computing in fp32";
    return has ? wanted : DTYPE_F32;
}

const char *precision_name(DType precision) { return precision == DTYPE_BF16 ? "bf16" : "fp32"; }
