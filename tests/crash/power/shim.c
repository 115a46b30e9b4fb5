/*
 * Writes down, in order, everything that a process does to the files of one directory.
 *
 * Preloaded into the real binary. Each change under SHIM_ROOT is done and then appended to SHIM_JOURNAL as one record,
 * both under one lock, so the order of the records is the order of the changes. A sync is two records, its beginning and
 * its end: what was written before the one is durable from the other on; fdatasync of a directory is none. The journal lies
 * outside of the directory.
 *
 * SHIM_DIE_AFTER=N       the process kills itself (SIGKILL) with its Nth record. No change is half done then, so the journal
 *                        is whole, and it can die where a signal from outside would hardly ever meet it.
 * SHIM_DIE_IN_SYNC=1     ... at the first beginning of a sync from there on: everything is written and nothing is durable.
 * SHIM_CLOCK_AT_MS=N     the wall clock stands still at this time: what is later is for the test to say, however slow the
 *                        machine.
 *
 * Only the calls that the binary uses are here. Another way to change a file (a rename, a mapping) is not seen; the tests
 * compare what the journal adds up to with the files that are there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CREATE = 1, MAKE_DIRECTORY, LINK, UNLINK, WRITE, TRUNCATE, SYNC_BEGINS, SYNC_ENDS };

/* Numbers in the machine's order; `name` and the bytes follow. */
struct record {
    uint32_t kind;
    uint32_t name_length;
    uint64_t file;   /* inode */
    uint64_t at;     /* an offset or a length; of a sync, its thread; of a new name, the mode */
    uint64_t length; /* of the bytes */
};

#define MOST_FILES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static long die_after, die_in_sync, records;
static long long clock_at_ms;
static volatile char watched[MOST_FILES];

#define REAL(name) ((__typeof__(&name))next(#name))

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *to = getenv("SHIM_JOURNAL"), *of = getenv("SHIM_ROOT");
    clock_at_ms = number("SHIM_CLOCK_AT_MS");
    die_after = number("SHIM_DIE_AFTER");
    die_in_sync = number("SHIM_DIE_IN_SYNC");
    if (!to || !of) return;
    journal = REAL(open)(to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (journal < 0 || strlen(of) + 1 >= sizeof root) abort();
    strcpy(root, of);
    root_length = strlen(root);
}

/* The path below the root: "" for the root itself, NULL for what lies elsewhere. */
static const char *below(const char *path, char *buffer) {
    if (journal < 0) return NULL;
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return NULL;
        while (path[0] == '.' && path[1] == '/') path += 2;
        if (!strcmp(path, ".")) path = "";
        if (snprintf(buffer, PATH_MAX, "%s/%s", here, path) >= PATH_MAX) abort();
    } else if (snprintf(buffer, PATH_MAX, "%s", path) >= PATH_MAX) {
        abort();
    }
    if (strncmp(buffer, root, root_length)) return NULL;
    if (buffer[root_length] == '\0') return buffer + root_length;
    return buffer[root_length] == '/' ? buffer + root_length + 1 : NULL;
}

/* Under the lock. */
static void note(uint32_t kind, const char *name, uint64_t file, uint64_t at, const void *bytes, uint64_t length) {
    struct record record = {kind, name ? strlen(name) : 0, file, at, length};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)name, record.name_length}, {(void *)bytes, length}};
    if (REAL(writev)(journal, parts, 3) != (ssize_t)(sizeof record + record.name_length + length)) abort();
    records++;
    if (die_after && records >= die_after && (!die_in_sync || kind == SYNC_BEGINS)) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

static int is_watched(int file) { return file >= 0 && file < MOST_FILES && watched[file]; }

static uint64_t inode(int file) {
    struct stat about;
    if (fstat(file, &about)) abort();
    return about.st_ino;
}

static int opened(const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    if (!name) return REAL(open)(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat about;
    int is_new = (flags & O_CREAT) && stat(path, &about);
    int file = REAL(open)(path, flags, mode);
    if (file >= 0) {
        if (file >= MOST_FILES || fstat(file, &about)) abort();
        watched[file] = 1;
        if (is_new) note(CREATE, name, about.st_ino, about.st_mode, NULL, 0);
        else if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) note(TRUNCATE, NULL, about.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return file;
}

static mode_t mode_of(int flags, va_list *rest) { return flags & O_CREAT ? va_arg(*rest, mode_t) : 0; }

#define OPEN(name)                                  \
    int name(const char *path, int flags, ...) {    \
        va_list rest;                               \
        va_start(rest, flags);                      \
        mode_t mode = mode_of(flags, &rest);        \
        va_end(rest);                               \
        return opened(path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    if (is_watched(file)) watched[file] = 0;
    return REAL(close)(file);
}

ssize_t write(int file, const void *bytes, size_t length) {
    if (!is_watched(file)) return REAL(write)(file, bytes, length);
    pthread_mutex_lock(&lock);
    off_t at = lseek(file, 0, SEEK_CUR);
    ssize_t done = REAL(write)(file, bytes, length);
    if (done > 0) note(WRITE, NULL, inode(file), at, bytes, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    /* Sockets and pipes only; never a file of ours. */
    if (is_watched(file)) abort();
    return REAL(writev)(file, parts, count);
}

static ssize_t written_at(int file, const void *bytes, size_t length, off_t at) {
    if (!is_watched(file)) return REAL(pwrite)(file, bytes, length, at);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(pwrite)(file, bytes, length, at);
    if (done > 0) note(WRITE, NULL, inode(file), at, bytes, done);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) { return written_at(file, bytes, length, at); }
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) { return written_at(file, bytes, length, at); }

static int truncated(int file, off_t length) {
    if (!is_watched(file)) return REAL(ftruncate)(file, length);
    pthread_mutex_lock(&lock);
    int failed = REAL(ftruncate)(file, length);
    if (!failed) note(TRUNCATE, NULL, inode(file), length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}
int ftruncate(int file, off_t length) { return truncated(file, length); }
int ftruncate64(int file, off64_t length) { return truncated(file, length); }

/* Not under the lock: others write meanwhile, and none of that is covered. */
static int synced(int file, int (*sync)(int)) {
    if (!is_watched(file)) return sync(file);
    uint64_t thread = syscall(SYS_gettid), of = inode(file);
    pthread_mutex_lock(&lock);
    note(SYNC_BEGINS, NULL, of, thread, NULL, 0);
    pthread_mutex_unlock(&lock);
    int failed = sync(file);
    pthread_mutex_lock(&lock);
    if (!failed) note(SYNC_ENDS, NULL, of, thread, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}
int fsync(int file) { return synced(file, REAL(fsync)); }
/* Covers the contents of a file and its length. Of a directory it promises nothing: names need not be durable after it. */
int fdatasync(int file) {
    struct stat about;
    if (is_watched(file) && !fstat(file, &about) && S_ISDIR(about.st_mode)) return REAL(fdatasync)(file);
    return synced(file, REAL(fdatasync));
}

int mkdir(const char *path, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    if (!name) return REAL(mkdir)(path, mode);
    pthread_mutex_lock(&lock);
    struct stat about;
    int failed = REAL(mkdir)(path, mode);
    if (!failed && !stat(path, &about)) note(MAKE_DIRECTORY, name, about.st_ino, about.st_mode, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int linkat(int from, const char *old, int to, const char *path, int flags) {
    char buffer[PATH_MAX];
    const char *name = to == AT_FDCWD ? below(path, buffer) : NULL;
    if (!name) return REAL(linkat)(from, old, to, path, flags);
    pthread_mutex_lock(&lock);
    struct stat about;
    int failed = REAL(linkat)(from, old, to, path, flags);
    if (!failed && !stat(path, &about)) note(LINK, name, about.st_ino, about.st_mode, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int unlink(const char *path) {
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    if (!name) return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int failed = REAL(unlink)(path);
    if (!failed) note(UNLINK, name, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = REAL(clock_gettime)(clock, now);
    if (!failed && clock == CLOCK_REALTIME && clock_at_ms) {
        now->tv_sec = clock_at_ms / 1000;
        now->tv_nsec = clock_at_ms % 1000 * 1000000;
    }
    return failed;
}
