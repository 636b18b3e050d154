/* Runs a command under a seccomp filter whose notifications a second process answers: it notes which file is meant, then lets
 * the call go on. Linux 5.5 and later.
 *
 *   supervisor --probe         exits with 0 where this works
 *   supervisor LOG PROGRAM ARG0 [ARG]   becomes PROGRAM; what it and its children do with files is in LOG
 *
 * LOG is a file that maps `struct log`. A line is in it before the call goes on, so that after the end of the command it is whole.
 * Two processes hold the listener: one serves, the other waits for it to die and then serves in its place; when the waiting one
 * dies, the serving one takes a new one. A command would otherwise get ENOSYS for each call.
 */
#include "looking.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
enum { FOREIGN_OPEN = 5, FOREIGN_OPENAT = 295 };
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
enum { FOREIGN_OPEN = 5, FOREIGN_OPENAT = 322 };
#else
#error "not ported to this processor"
#endif
#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef CLONE_NEWNS
#define CLONE_NEWNS 0x20000
#endif

static const int CALLS[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_link, SYS_symlink, SYS_rmdir,
#endif
    SYS_openat, SYS_openat2, SYS_execve, SYS_execveat, SYS_renameat2, SYS_unlinkat, SYS_linkat, SYS_symlinkat, SYS_truncate,
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_io_uring_setup, SYS_open_by_handle_at, SYS_chroot, SYS_pivot_root, SYS_setns, SYS_unshare, SYS_mount,
};
enum { N = sizeof CALLS / sizeof *CALLS };
enum { X32 = 0x40000000 }; /* calls above are those of 32-bit programs on 64-bit registers */

static volatile sig_atomic_t alone; /* the process that waits for us is dead */

static int install(void) {
    struct sock_filter code[N + 9];
    int n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 3, 0);
    /* Programs of the 32-bit kind: only that one opened a file is noted. */
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOREIGN_OPENAT, N + 4, 0);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOREIGN_OPEN, N + 3, N + 2);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, N + 1, 0);
    for (int i = 0; i < N; i++)
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)CALLS[i], N - i, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {(unsigned short)n, code};
    unsigned long ways[] = {SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                            SECCOMP_FILTER_FLAG_NEW_LISTENER};
    /* Without no_new_privs where we may: with it sudo and the like do not work below. */
    for (int strict = 0; strict < 2; strict++) {
        if (strict && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
        for (int i = 0; i < 2; i++) {
            int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, ways[i], &program);
            if (fd >= 0) return fd;
        }
    }
    return -1;
}

static void take(const struct seccomp_notif *asked) {
    pid_t pid = (pid_t)asked->pid;
    const __u64 *a = asked->data.args;
    const int at = AT_FDCWD, leaf = O_CREAT;
    uint64_t how = 0;
    if (asked->data.arch != ARCH || asked->data.nr >= X32) {
        shared->flags |= FOREIGN;
        return;
    }
    switch (asked->data.nr) {
#ifdef SYS_open
    case SYS_open: look(pid, at, a[0], (int)a[1], 0); break;
    case SYS_creat: look(pid, at, a[0], O_CREAT | O_WRONLY | O_TRUNC, 0); break;
    case SYS_unlink:
    case SYS_rmdir: look(pid, at, a[0], 0, 1); break;
    case SYS_rename: look(pid, at, a[0], 0, 1), look(pid, at, a[1], leaf, 1); break;
    case SYS_link: look(pid, at, a[0], 0, 0), look(pid, at, a[1], leaf, 1); break;
    case SYS_symlink: look(pid, at, a[1], leaf, 1); break;
#endif
    case SYS_openat: look(pid, (int)a[0], a[1], (int)a[2], 0); break;
    case SYS_openat2: {
        struct iovec here = {&how, 8}, there = {(void *)(uintptr_t)a[2], 8};
        if (process_vm_readv(pid, &here, 1, &there, 1, 0) == 8) look(pid, (int)a[0], a[1], (int)how, 0);
        break;
    }
    case SYS_execve: look(pid, at, a[0], 0, 0); break;
    case SYS_execveat: look(pid, (int)a[0], a[1], 0, 0); break;
    case SYS_unlinkat: look(pid, (int)a[0], a[1], 0, 1); break;
    case SYS_renameat2:
#ifdef SYS_renameat
    case SYS_renameat:
#endif
        look(pid, (int)a[0], a[1], 0, 1), look(pid, (int)a[2], a[3], leaf, 1);
        break;
    case SYS_linkat: look(pid, (int)a[0], a[1], 0, 0), look(pid, (int)a[2], a[3], leaf, 1); break;
    case SYS_symlinkat: look(pid, (int)a[1], a[2], leaf, 1); break;
    case SYS_truncate: look(pid, at, a[0], O_WRONLY, 0); break;
    case SYS_io_uring_setup: shared->flags |= IO_URING; break;
    case SYS_open_by_handle_at: shared->flags |= HANDLE; break;
    case SYS_unshare:
        if (!(a[0] & CLONE_NEWNS)) break;
        /* fall through */
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_setns: shared->flags |= ELSEWHERE; break;
    case SYS_mount:
        if (is_elsewhere(pid)) shared->flags |= ELSEWHERE; /* made there by clone */
        break;
    }
}

static void let(int listener, uint64_t id) {
    struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void left(int number) {
    (void)number;
    alone = 1;
}

/* Returns 1 when no process is left that could ask, 0 when the one that waits for us has died. */
static int serve(int listener) {
    struct seccomp_notif asked;
    struct pollfd one = {listener, POLLIN, 0};
    while (!alone) {
        if (poll(&one, 1, 1000) <= 0) continue;
        if (one.revents & POLLIN) {
            memset(&asked, 0, sizeof asked);
            if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) continue;
            take(&asked);
            let(listener, asked.id);
            shared->last = asked.id;
        } else if (one.revents & (POLLHUP | POLLERR))
            return 1;
    }
    return 0;
}

/* Lets go what a process that died had taken and not answered: ids are consecutive, and only what was taken can be answered. */
static void let_taken(int listener) {
    uint64_t last = shared->last;
    for (uint64_t id = last; id < last + 100000; id++) let(listener, id);
}

static void hold(int listener) {
    for (;;) {
        pid_t holder = getpid(), server = fork();
        if (server < 0) {
            alone = 0;
            if (serve(listener)) return; /* no process to be had: without one that waits */
        }
        if (server == 0) {
            alone = 0;
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            if (getppid() != holder) alone = 1;
            if (serve(listener)) _exit(0);
            shared->flags |= REPLACED;
            continue; /* the one that waited is dead: now this one waits */
        }
        int status = 0;
        while (waitpid(server, &status, 0) < 0 && errno == EINTR) {}
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
        shared->flags |= REPLACED;
        let_taken(listener);
    }
}

static void send_fd(int channel, int fd) {
    char space[CMSG_SPACE(sizeof fd)] = {0}, byte = 1;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    while (sendmsg(channel, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

static int receive_fd(int channel) {
    int fd = -1;
    char space[CMSG_SPACE(sizeof fd)] = {0}, byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

/* The process that holds the listener: no relative of the command's, deaf to what its terminal says, and holding none of its
 * descriptors open, so that who reads its pipes sees their end. It says when it is ready: without it there must be no filter. */
static void supervise(int channel) {
    setsid();
    struct sigaction heard = {.sa_handler = left};
    sigaction(SIGUSR1, &heard, NULL);
    signal(SIGTERM, SIG_IGN), signal(SIGINT, SIG_IGN), signal(SIGHUP, SIG_IGN), signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir("/")) _exit(1);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (channel != 3) dup2(channel, 3);
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 4u, ~0u, 0))
#endif
        for (int fd = 4; fd < 4096; fd++) close(fd);
    if (write(3, "", 1) != 1) _exit(1);
    int listener = receive_fd(3);
    close(3);
    if (listener < 0) _exit(1);
    uint64_t sync = 1; /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6 */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, sync);
    hold(listener);
    shared->flags |= ENDED;
    _exit(0);
}

/* Whether a process may read the memory of one that it did not start: not under Yama's usual rule (kernel.yama.ptrace_scope). */
static int can_read(pid_t stranger) {
    static char text = 'x', copy;
    struct iovec here = {&copy, 1}, there = {&text, 1};
    return process_vm_readv(stranger, &here, 1, &there, 1, 0) == 1;
}

static int probe(void) {
    int filter = 1, reader = 1;
    pid_t child = fork();
    if (child == 0) _exit(install() < 0);
    if (child < 0 || waitpid(child, &filter, 0) < 0 || filter) return 1;
    pid_t us = getpid();
    child = fork();
    if (child == 0) _exit(!can_read(us));
    return child < 0 || waitpid(child, &reader, 0) < 0 || reader;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--probe")) return probe();
    if (argc < 4) return 2;
    int log = open(argv[1], O_RDWR | O_CLOEXEC);
    if (log >= 0 && !ftruncate(log, ROOM))
        shared = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, log, 0);
    if (log >= 0) close(log);
    int ends[2];
    if (shared && shared != MAP_FAILED && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        pid_t between = fork(); /* forks once more and ends: the command gets no child that it did not make */
        if (between == 0) {
            close(ends[0]);
            if (fork() == 0) supervise(ends[1]);
            _exit(0);
        }
        close(ends[1]);
        while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR) {}
        char ready;
        int listener = between > 0 && read(ends[0], &ready, 1) == 1 ? install() : -1;
        if (listener >= 0) {
            shared->flags |= TRACED;
            send_fd(ends[0], listener);
            close(listener);
        }
        close(ends[0]);
    }
    execv(argv[2], argv + 3);
    int failed = errno;
    fprintf(stderr, "%s: %s\n", argv[2], strerror(failed));
    return failed == ENOENT ? 127 : 126;
}
