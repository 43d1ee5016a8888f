/* For tests that do wrong things on purpose: each must be reported, and nothing of its sound twin. TAP: a result for each. */
#ifndef TESTS_CUDA_JUDGE_H
#define TESTS_CUDA_JUDGE_H

#include <stdio.h>
#include <vector>

#include "emu_internal.h"

typedef std::vector<float> Floats;

static int results, failures;

static void result(bool ok, const char *name, bool sound, const char *why)
{
    printf("%sok %d - %s: %s%s%s\n", ok ? "" : "not ", ++results, name,
           sound ? "the sound twin is clean" : "it is reported", *why ? ": " : "", why);
    failures += !ok;
}

/* reported: what was found is a report whose text contains `words`, or, without words, any difference that the test
 * itself has seen. */
[[maybe_unused]] static void judge(const char *name, bool sound, bool seen, const char *words)
{
    const bool reported = emu_errors() > 0;
    const char *text = reported ? emu_first_error() : "";
    if (sound) result(!reported && !seen, name, true, text);
    else result(words ? reported && strstr(text, words) : seen, name, false, text);
}

static float *device(size_t count)
{
    void *p = NULL;
    cudaMalloc(&p, count * sizeof(float));
    return (float *)p;
}

static void wait() { cudaStreamSynchronize(NULL); }

/* A copy on the device; owned by the caller. */
[[maybe_unused]] static float *upload(const Floats &f)
{
    float *p = device(f.size());
    cudaMemcpyAsync(p, f.data(), f.size() * sizeof(float), cudaMemcpyHostToDevice, NULL);
    return p;
}

/* Numbers between -1 and 1, different for each seed. */
[[maybe_unused]] static Floats values(size_t count, int seed)
{
    Floats f(count);
    for (size_t i = 0; i < count; i++) f[i] = (float)((int)(i * 7919 + (size_t)seed * 31) % 1009 - 504) / 500;
    return f;
}

#endif
