/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A payload that does nothing, and nothing before: the C library's start is about 0.9 ms in a
 * virtual machine where cpuid traps, in which what the launchers differ by is lost. */

#include <asm/unistd.h>

_Noreturn void _start(void);

_Noreturn void _start(void) {
#if defined(__x86_64__)
        __asm__ volatile("syscall" : : "a"(__NR_exit_group), "D"(0));
#elif defined(__aarch64__)
        register long number __asm__("x8") = __NR_exit_group;
        register long status __asm__("x0") = 0;

        __asm__ volatile("svc 0" : : "r"(number), "r"(status));
#else
#error "how a process ends here is to be added"
#endif
        __builtin_unreachable();
}
