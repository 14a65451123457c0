/* What Rust's standard library does for the destructors of thread-local values: take __cxa_thread_atexit_impl (glibc 2.18)
   where it is there, cope without where it is not. GNU ld writes the version need without the weak flag all the same. */
#include <stdlib.h>

extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));

struct destructor {
    struct destructor *next;
    void (*function)(void *);
    void *argument;
};

static _Thread_local struct destructor *destructors;

int run_at_thread_exit(void (*function)(void *), void *argument) {
    if (__cxa_thread_atexit_impl != 0)
        return __cxa_thread_atexit_impl(function, argument, 0);
    struct destructor *added = malloc(sizeof *added);
    if (added == 0)
        return -1;
    *added = (struct destructor){destructors, function, argument};
    destructors = added;
    return 0;
}
