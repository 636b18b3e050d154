/* Loaded before the C library: notes what programs open, make, rename and remove, then does it. Each line goes to the log by one
 * write at its end: a letter, a real path, a NUL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put(char kind, const char *path) {
    const char *place = getenv("DATAMON_PRELOAD_LOG");
    char line[PATH_MAX + 2];
    size_t length = strlen(path);
    if (!place || length >= PATH_MAX) return;
    int log = (int)syscall(SYS_openat, AT_FDCWD, place, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (log < 0) return;
    line[0] = kind;
    memcpy(line + 1, path, length + 1);
    if (write(log, line, length + 2) < 0) {}
    syscall(SYS_close, log);
}

static int place(int directory, const char *path, char *to) {
    char base[PATH_MAX], link[64];
    ssize_t length;
    if (path[0] == '/') return snprintf(to, PATH_MAX, "%s", path) < PATH_MAX;
    snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
    if ((length = readlink(link, base, sizeof base - 1)) < 0) return 0;
    base[length] = 0;
    return snprintf(to, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

/* After the call, by its result. */
static void opened(int fd, int directory, const char *path, int flags) {
    char real[PATH_MAX], name[PATH_MAX], link[64];
    struct stat about;
    int kept = errno;
    if (!path || (fd < 0 && errno != ENOENT && errno != ENOTDIR)) return;
    if (place(directory, path, name)) {
        if (fd < 0)
            put('a', name);
        else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, real, sizeof real - 1);
            if (length > 0 && !fstat(fd, &about)) {
                real[length] = 0;
                if (strcmp(real, name)) put('n', name);
                if (S_ISDIR(about.st_mode)) {
                    if (!(flags & O_PATH)) put('l', real);
                } else if (S_ISREG(about.st_mode) && !(flags & O_PATH)) {
                    if ((flags & O_ACCMODE) != O_WRONLY && !(flags & O_TRUNC)) put('r', real);
                    if (flags & (O_ACCMODE | O_TRUNC)) put('w', real);
                }
            }
        }
    }
    errno = kept;
}

static void changed(int directory, const char *path) {
    char name[PATH_MAX];
    int kept = errno;
    if (path && place(directory, path, name)) put('w', name);
    errno = kept;
}

#define REAL(name, type, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))
#define MODE() \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE() \
        int fd = REAL(#name, int, const char *, int, ...)(path, flags, mode); \
        opened(fd, AT_FDCWD, path, flags); \
        return fd; \
    }
#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        MODE() \
        int fd = REAL(#name, int, int, const char *, int, ...)(at, path, flags, mode); \
        opened(fd, at, path, flags); \
        return fd; \
    }
#define CHECKED(name) \
    int name(const char *path, int flags) { \
        int fd = REAL(#name, int, const char *, int)(path, flags); \
        opened(fd, AT_FDCWD, path, flags); \
        return fd; \
    }
#define FOPEN(name) \
    FILE *name(const char *path, const char *how) { \
        FILE *file = REAL(#name, FILE *, const char *, const char *)(path, how); \
        int flags = strchr(how, '+') ? O_RDWR : how[0] == 'r' ? O_RDONLY : O_WRONLY; \
        opened(file ? fileno(file) : -1, AT_FDCWD, path, flags | (how[0] == 'w' ? O_TRUNC : 0)); \
        return file; \
    }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) CHECKED(__open_2) CHECKED(__open64_2) FOPEN(fopen) FOPEN(fopen64)

int creat(const char *path, mode_t mode) {
    int fd = REAL("creat", int, const char *, mode_t)(path, mode);
    opened(fd, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC);
    return fd;
}

int rename(const char *from, const char *to) {
    int done = REAL("rename", int, const char *, const char *)(from, to);
    if (!done) changed(AT_FDCWD, from), changed(AT_FDCWD, to);
    return done;
}

int renameat(int at, const char *from, int there, const char *to) {
    int done = REAL("renameat", int, int, const char *, int, const char *)(at, from, there, to);
    if (!done) changed(at, from), changed(there, to);
    return done;
}

int renameat2(int at, const char *from, int there, const char *to, unsigned flags) {
    int done = REAL("renameat2", int, int, const char *, int, const char *, unsigned)(at, from, there, to, flags);
    if (!done) changed(at, from), changed(there, to);
    return done;
}

int unlink(const char *path) {
    int done = REAL("unlink", int, const char *)(path);
    if (!done) changed(AT_FDCWD, path);
    return done;
}

int unlinkat(int at, const char *path, int flags) {
    int done = REAL("unlinkat", int, int, const char *, int)(at, path, flags);
    if (!done) changed(at, path);
    return done;
}

/* opendir opens without calling any of the above. */
void *opendir(const char *path) {
    void *found = REAL("opendir", void *, const char *)(path);
    opened(found ? REAL("dirfd", int, void *)(found) : -1, AT_FDCWD, path, O_DIRECTORY);
    return found;
}
