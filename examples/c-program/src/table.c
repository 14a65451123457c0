/* Squares in a table that grows; the multiplication of sizes must not overflow, which reallocarray sees to. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef HAVE_REALLOCARRAY
static void *reallocarray(void *old, size_t count, size_t size) {
    return size != 0 && count > SIZE_MAX / size ? NULL : realloc(old, count * size);
}
#endif

int main(int argc, char **argv) {
    unsigned long rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 3;
    unsigned long *squares = NULL;
    for (unsigned long row = 0; row < rows; row++) {
        unsigned long *grown = reallocarray(squares, row + 1, sizeof *squares);
        if (grown == NULL) {
            fputs("out of memory\n", stderr);
            return 1;
        }
        squares = grown;
        squares[row] = (row + 1) * (row + 1);
    }
    for (unsigned long row = 0; row < rows; row++)
        printf("%lu\n", squares[row]);
    free(squares);
    return 0;
}
