/* Prints the name of this machine: no DNS, no users, no plugins, and so nothing that a static program lacks. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char name[256];
    if (gethostname(name, sizeof name) != 0) {
        perror("gethostname");
        return 1;
    }
    name[sizeof name - 1] = '\0';
    puts(name);
    return 0;
}
