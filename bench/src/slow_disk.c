/* A slower disk: every fsync takes ADDED_MS longer. Preloaded into a server by the bench. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_platter(void) {
    struct timespec added = {ADDED_MS / 1000, ADDED_MS % 1000 * 1000000L};
    nanosleep(&added, 0);
}

int fsync(int file) {
    wait_for_the_platter();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    wait_for_the_platter();
    return (int)syscall(SYS_fdatasync, file);
}
