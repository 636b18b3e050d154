/* What a path means to another process, looked up and noted in a log that both processes of the supervisor map. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOM = 256 << 20, SEEN = 1 << 16, LONGEST = 3 * PATH_MAX };
/* UNREAD: a path could not be read or spelled. ELSEWHERE: a process went, or may have gone, to another root or mount namespace. */
enum { TRACED = 1, DROPPED = 2, IO_URING = 4, FOREIGN = 8, REPLACED = 16, ENDED = 32, UNREAD = 64, ELSEWHERE = 128, HANDLE = 256 };

struct log {
    volatile uint64_t used; /* bytes of `lines` */
    volatile uint64_t flags;
    volatile uint64_t last; /* the newest notification that was answered */
    char lines[];           /* each one letter, a path, a NUL */
};

static struct log *shared;
static uint64_t seen[SEEN];

/* FNV-1a, 64 bits. */
static uint64_t hash_of(uint64_t start, const char *path) {
    uint64_t hash = 14695981039346656037ULL ^ start;
    for (; *path; path++) hash = (hash ^ (unsigned char)*path) * 1099511628211ULL;
    return hash;
}

static void note(char kind, const char *path) {
    uint64_t hash = hash_of((unsigned char)kind, path);
    size_t length = strlen(path);
    if (seen[hash % SEEN] == hash) return;
    seen[hash % SEEN] = hash;
    uint64_t at = shared->used;
    if (at + length + 2 > ROOM - sizeof *shared) {
        shared->flags |= DROPPED;
        return;
    }
    shared->lines[at] = kind;
    memcpy(shared->lines + at + 1, path, length + 1);
    __sync_synchronize();
    shared->used = at + length + 2;
}

/* The text at an address of the other process; 0 when it cannot be had: no matter when there is none, as then the call fails, too. */
static int text_of(pid_t pid, uint64_t address, char *to) {
    size_t have = 0;
    while (have < PATH_MAX) {
        size_t piece = 4096 - ((address + have) & 4095); /* to the end of a page: the next may not be there */
        if (piece > PATH_MAX - have) piece = PATH_MAX - have;
        struct iovec here = {to + have, piece}, there = {(void *)(uintptr_t)(address + have), piece};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0) {
            if (errno != EFAULT && errno != ESRCH) shared->flags |= UNREAD;
            return 0;
        }
        if (memchr(to + have, 0, (size_t)got)) return 1;
        have += (size_t)got;
    }
    return 0;
}

/* What /proc calls the process that looks is that process, not us. */
static int is_of_proc(pid_t pid, const char *path, char *to) {
    static const char *const OWN[] = {"/proc/self/", "/proc/thread-self/", "/dev/fd/"};
    static const char *const STANDARD[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(OWN[i]);
        if (!strcmp(path, STANDARD[i])) return snprintf(to, LONGEST, "/proc/%d/fd/%d", pid, i);
        if (!strncmp(path, OWN[i], length))
            return snprintf(to, LONGEST, "/proc/%d/%s%s", pid, i == 2 ? "fd/" : "", path + length);
    }
    return 0;
}

/* A path that means for us what (directory, path) means for the other process. */
static void spelled(pid_t pid, int directory, const char *path, char *to) {
    if (path[0] == '/') {
        if (!is_of_proc(pid, path, to)) snprintf(to, LONGEST, "%s", path);
    } else if (directory == AT_FDCWD)
        snprintf(to, LONGEST, "/proc/%d/cwd/%s", pid, path);
    else
        snprintf(to, LONGEST, "/proc/%d/fd/%d/%s", pid, directory, path);
}

/* Opens what is spelled so, which may be longer than a path may be: `path` is its end, as the other process said it. */
static int opened(const char *whole, const char *path, int flags) {
    char base[64];
    size_t before = strlen(whole) - strlen(path);
    if (strlen(whole) < PATH_MAX || before >= sizeof base) return open(whole, flags);
    memcpy(base, whole, before);
    base[before] = 0;
    int top = open(base, O_PATH | O_CLOEXEC);
    int fd = openat(top, path, flags), failed = errno;
    if (top >= 0) close(top);
    errno = failed;
    return fd;
}

/* Whether paths mean something else to the other process than to us. */
static int is_elsewhere(pid_t pid) {
    char link[64], there[64] = "", here[64] = "";
    struct stat its, ours;
    snprintf(link, sizeof link, "/proc/%d/ns/mnt", pid);
    if (readlink(link, there, sizeof there - 1) < 0 || readlink("/proc/self/ns/mnt", here, sizeof here - 1) < 0) return 1;
    snprintf(link, sizeof link, "/proc/%d/root", pid);
    return strcmp(here, there) || stat(link, &its) || stat("/", &ours) || its.st_dev != ours.st_dev || its.st_ino != ours.st_ino;
}

static int real(int fd, char *to) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, to, LONGEST - 1);
    if (length < 0) {
        shared->flags |= UNREAD; /* longer than any path may be */
        return 0;
    }
    to[length] = 0;
    return to[0] == '/';
}

/* Where nothing is at a path: the real path of the nearest directory that is there, and the rest. 1 when that is one name: then
 * it could be made; -1 when that is not known. */
static int missing(const char *path, char *to) {
    char start[LONGEST];
    snprintf(start, sizeof start, "%s", path);
    size_t cut = strlen(start);
    while (cut > 1) {
        while (cut > 1 && start[cut - 1] == '/') cut--;
        while (cut > 1 && start[cut - 1] != '/') cut--;
        char kept = start[cut];
        start[cut] = 0;
        int fd = open(start, O_PATH | O_CLOEXEC);
        start[cut] = kept;
        if (fd < 0) continue;
        int known = real(fd, to);
        close(fd);
        if (!known) return -1;
        size_t length = strlen(to);
        snprintf(to + length, LONGEST - length, "%s%s", length > 1 ? "/" : "", start + cut);
        return !strchr(start + cut, '/');
    }
    return -1;
}

/* Where the name that was used is not the real one, a symlink was followed: the name is noted too. */
static void by_name(pid_t pid, int directory, const char *path, const char *found) {
    static char base[LONGEST], name[2 * LONGEST];
    base[0] = 0;
    if (path[0] != '/') {
        char link[64];
        if (directory == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/%d/cwd", pid);
        else
            snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, directory);
        ssize_t length = readlink(link, base, PATH_MAX);
        if (length < 0) return;
        base[length] = 0;
    }
    snprintf(name, sizeof name, "%s%s%s", base, base[0] ? "/" : "", path);
    if (strcmp(name, found)) note('n', name);
}

/* Whether a file of the system was already met by this name in this way: the machine's own files stay what they are. */
static int is_old(const char *path, int flags, int leaf) {
    static uint64_t met[SEEN];
    static const char *const places[] = {"/usr/lib", "/usr/include/", "/usr/share/", "/usr/bin/", "/lib/", "/lib64/", "/etc/"};
    int system = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) system |= !strncmp(path, places[i], strlen(places[i]));
    if (!system) return 0;
    if (leaf || (flags & (O_ACCMODE | O_CREAT | O_TRUNC))) return 0;
    uint64_t hash = hash_of((uint64_t)flags, path);
    if (met[hash % SEEN] == hash) return 1;
    met[hash % SEEN] = hash;
    return 0;
}

/* Notes what opening (or, with `leaf`, changing the name itself of) a path would come upon. */
static void look(pid_t pid, int directory, uint64_t address, int flags, int leaf) {
    static char path[PATH_MAX + 1], whole[LONGEST], found[LONGEST];
    struct stat about;
    if (!text_of(pid, address, path)) return;
    if (!path[0]) return; /* the descriptor itself: it was opened before */
    if ((flags & O_TMPFILE) == O_TMPFILE) return; /* a file without a name */
    if (shared->flags & ELSEWHERE && is_elsewhere(pid)) return;
    if (is_old(path, flags, leaf)) return;
    spelled(pid, directory, path, whole);
    int fd = opened(whole, path, O_PATH | O_CLOEXEC | (leaf || (flags & O_NOFOLLOW) ? O_NOFOLLOW : 0));
    int writes = leaf || (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR || (flags & O_TRUNC);
    if (fd < 0) {
        if (errno == ENAMETOOLONG && strlen(path) < PATH_MAX - 1) shared->flags |= UNREAD;
        if (errno != ENOENT && errno != ENOTDIR) return;
        int free = missing(whole, found), made = free > 0 && flags & O_CREAT;
        if (free < 0) return;
        if (made || !leaf) note(made ? 'w' : 'a', found); /* what cannot be removed is no matter */
        return;
    }
    if (flags & O_CREAT && flags & O_EXCL) writes = 0, flags = -1; /* it is there, so this fails */
    if (flags != -1 && real(fd, found) && !fstat(fd, &about)) {
        by_name(pid, directory, path, found);
        if (S_ISDIR(about.st_mode))
            note(flags & O_PATH ? 'p' : leaf ? 'w' : 'l', found);
        else if ((S_ISREG(about.st_mode) && about.st_nlink) || S_ISLNK(about.st_mode)) { /* not one that has no name any more */
            if (!leaf && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY && !(flags & O_TRUNC)) note('r', found);
            if (writes) note('w', found);
        }
    }
    close(fd);
}
