/* Grows a table the safe way: reallocarray came with glibc 2.26. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int *table = reallocarray(NULL, 16, sizeof *table);
    if (table == NULL)
        return 1;
    table[0] = 26;
    printf("%d\n", table[0]);
    free(table);
    return 0;
}
