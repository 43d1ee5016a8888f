/* Switches between stacks, by a few instructions: ucontext would make a system call each time. For emu.cc only. */
#ifndef TESTS_CUDA_FIBER_SWITCH_H
#define TESTS_CUDA_FIBER_SWITCH_H

#include "emu_internal.h"

#if defined(__x86_64__)
struct Context {
    void *stack;
};
extern "C" void emu_switch(void **from, void *to);
__asm__(".text\n.type emu_switch,@function\nemu_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\npop %rcx\njmp *%rcx\n"
        ".size emu_switch,.-emu_switch\n");

static inline void context_switch(Context *from, Context *to) { emu_switch(&from->stack, to->stack); }

/* entry never returns. */
static inline void context_make(Context *c, char *stack, size_t bytes, void (*entry)())
{
    enum { REGISTERS = 6 };
    void **top = (void **)(((uintptr_t)stack + bytes) & ~(uintptr_t)15);
    *--top = NULL; /* where entry would return to */
    *--top = (void *)entry;
    for (int i = 0; i < REGISTERS; i++) *--top = NULL;
    c->stack = top;
}
#elif defined(__aarch64__)
struct Context {
    void *stack;
};
extern "C" void emu_switch(void **from, void *to);
__asm__(
    ".text\n.type emu_switch,%function\nemu_switch:\n"
    "sub sp,sp,#160\nstp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\n"
    "stp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\nstp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\n"
    "stp d14,d15,[sp,#144]\nmov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
    "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\nldp x27,x28,[sp,#64]\n"
    "ldp x29,x30,[sp,#80]\nldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
    "add sp,sp,#160\nret\n.size emu_switch,.-emu_switch\n");

static inline void context_switch(Context *from, Context *to) { emu_switch(&from->stack, to->stack); }

static inline void context_make(Context *c, char *stack, size_t bytes, void (*entry)())
{
    enum { REGISTERS = 20, RETURN_ADDRESS = 11 };
    uint64_t *top = (uint64_t *)(((uintptr_t)stack + bytes) & ~(uintptr_t)15) - REGISTERS;
    memset(top, 0, REGISTERS * sizeof *top);
    top[RETURN_ADDRESS] = (uint64_t)entry;
    c->stack = top;
}
#else
#include <ucontext.h>
struct Context {
    ucontext_t u;
};
static inline void context_switch(Context *from, Context *to) { swapcontext(&from->u, &to->u); }

static inline void context_make(Context *c, char *stack, size_t bytes, void (*entry)())
{
    getcontext(&c->u);
    c->u.uc_stack.ss_sp = stack;
    c->u.uc_stack.ss_size = bytes;
    c->u.uc_link = NULL;
    makecontext(&c->u, entry, 0);
}
#endif

#endif
