/* Loaded before the C library (LD_PRELOAD): writes down, in one order, everything a process does to the files below
 * CRASH_ROOT, and may make one of those calls fail.
 *
 * CRASH_TRACE  where it is written down; appended to, so several processes one after the other make one trace
 * CRASH_FAULT  "sync:N:ERRNO" the Nth sync fails once; "write:N:ERRNO" the Nth write fails once;
 *              "room:N" from the Nth write on the disk is full
 *
 * Syncs are written down and not carried out: what would be durable is for the reader of the trace to say. What is
 * written to standard output is written down too, so that an acknowledgement has its place among the writes.
 *
 * A record: operation 1, inode 8, offset 8, length 8, bytes of name 4, name, bytes of data 8, data; little-endian.
 * A call that is not understood is written down as '?', and the reader refuses the trace. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))real(#name))

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int trace = -2;
static char root[PATH_BYTES];
static char fault_kind[16];
static long fault_at, fault_errno, syncs, writes;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) _exit(99);
    return found;
}

/* In one call: a process that ends meanwhile leaves a whole record or none. */
static void note(uint8_t operation, uint64_t inode, uint64_t offset, uint64_t length, const char *name,
                 const void *data, uint64_t data_bytes) {
    unsigned char head[29];
    uint32_t name_bytes = name ? (uint32_t)strlen(name) : 0;
    head[0] = operation;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length, 8);
    memcpy(head + 25, &name_bytes, 4);
    const struct iovec parts[] = {
        {head, sizeof head}, {(void *)name, name_bytes}, {&data_bytes, 8}, {(void *)data, data_bytes}};
    size_t bytes = sizeof head + name_bytes + 8 + data_bytes;
    if (syscall(SYS_writev, trace, parts, 4) != (long)bytes) _exit(99);
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

static void begin(void) {
    pthread_mutex_lock(&turn);
    if (trace != -2) return;
    const char *path = getenv("CRASH_TRACE"), *below = getenv("CRASH_ROOT"), *fault = getenv("CRASH_FAULT");
    trace = -1;
    if (!path || !below || strlen(below) >= PATH_BYTES) return;
    strcpy(root, below);
    if (fault) sscanf(fault, "%15[a-z]:%ld:%ld", fault_kind, &fault_at, &fault_errno);
    trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat found;
    if (trace >= 0 && stat(root, &found) == 0) note('O', found.st_ino, 0, 0, root, NULL, 0);
}

static void end(void) { pthread_mutex_unlock(&turn); }

static int below(const char *path) {
    size_t length = strlen(root);
    return trace >= 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The path of an open file or folder; whether it is one of ours. */
static int ours(int fd, char *path) {
    char link[64];
    if (trace < 0 || fd == trace) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_BYTES - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* The whole path of a name as it was given. */
static int whole(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_BYTES, "%s", name);
    } else {
        char base[PATH_BYTES];
        if (folder == AT_FDCWD) {
            if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        if (snprintf(path, PATH_BYTES, "%s/%s", base, name) >= PATH_BYTES) return 0;
    }
    return below(path);
}

static void unknown(const char *call) { note('?', 0, 0, 0, call, NULL, 0); }

/* Whether this write is the one to fail; then errno is set. */
static int write_fails(void) {
    writes++;
    if (strcmp(fault_kind, "room") == 0 && writes >= fault_at) {
        errno = ENOSPC;
        return 1;
    }
    if (strcmp(fault_kind, "write") == 0 && writes == fault_at) {
        errno = (int)fault_errno;
        return 1;
    }
    return 0;
}

static ssize_t put(int fd, const void *bytes, size_t count, off_t offset, int positioned) {
    char path[PATH_BYTES];
    begin();
    ssize_t done;
    if (!ours(fd, path)) {
        if (fd == 1 && trace >= 0) note('A', 0, 0, 0, NULL, bytes, count);
        done = positioned ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
        end();
        return done;
    }
    if (!positioned) {
        int flags = fcntl(fd, F_GETFL);
        offset = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    size_t given = count;
    if (write_fails()) {
        /* A disk that fills takes the first part. */
        given = strcmp(fault_kind, "room") == 0 && writes == fault_at ? count / 2 : 0;
        if (given == 0) {
            int why = errno;
            end();
            errno = why;
            return -1;
        }
    }
    done = positioned ? syscall(SYS_pwrite64, fd, bytes, given, offset) : syscall(SYS_write, fd, bytes, given);
    if (done > 0) note('W', inode_of(fd), (uint64_t)offset, (uint64_t)done, NULL, bytes, (uint64_t)done);
    end();
    return done;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t count) { return put(fd, bytes, count, 0, 0); }
EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return put(fd, bytes, count, at, 1); }
EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return put(fd, bytes, count, at, 1); }

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t total = 0;
    for (int part = 0; part < count; part++) {
        if (parts[part].iov_len == 0) continue;
        ssize_t done = put(fd, parts[part].iov_base, parts[part].iov_len, 0, 0);
        if (done < 0) return total ? total : -1;
        total += done;
        if ((size_t)done < parts[part].iov_len) break;
    }
    return total;
}

static int sync_one(int fd, uint8_t operation, uint64_t offset, uint64_t length) {
    char path[PATH_BYTES];
    begin();
    if (!ours(fd, path)) {
        end();
        return 0;
    }
    syncs++;
    if (strcmp(fault_kind, "sync") == 0 && syncs == fault_at) {
        note('E', inode_of(fd), offset, length, NULL, NULL, 0);
        end();
        errno = (int)fault_errno;
        return -1;
    }
    note(operation, inode_of(fd), offset, length, NULL, NULL, 0);
    end();
    return 0;
}

EXPORT int fsync(int fd) { return sync_one(fd, 'S', 0, 0); }
EXPORT int fdatasync(int fd) { return sync_one(fd, 'S', 0, 0); }
EXPORT int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    (void)flags;
    return sync_one(fd, 'R', (uint64_t)offset, (uint64_t)length);
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_BYTES];
    struct stat found;
    begin();
    int mine = whole(folder, name, path);
    int creates = mine && (flags & O_CREAT) && fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0;
    if (mine && (flags & O_TMPFILE) == O_TMPFILE) unknown("O_TMPFILE");
    if (creates && write_fails()) {
        int why = errno;
        end();
        errno = why;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    int why = errno;
    if (mine && fd >= 0) {
        if (creates) note('C', inode_of(fd), 0, 0, path, NULL, 0);
        else if (flags & O_TRUNC) note('T', inode_of(fd), 0, 0, NULL, NULL, 0);
    }
    end();
    errno = why;
    return fd;
}

#define MODE                                        \
    mode_t mode = 0;                                \
    if (flags & (O_CREAT | O_TMPFILE)) {            \
        va_list given;                              \
        va_start(given, flags);                     \
        mode = (mode_t)va_arg(given, int);          \
        va_end(given);                              \
    }

EXPORT int open(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
EXPORT int open64(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
EXPORT int openat(int folder, const char *name, int flags, ...) { MODE return open_at(folder, name, flags, mode); }
EXPORT int openat64(int folder, const char *name, int flags, ...) { MODE return open_at(folder, name, flags, mode); }
EXPORT int creat(const char *name, mode_t mode) {
    return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int cut(int fd, off_t length) {
    char path[PATH_BYTES];
    begin();
    int done = (int)syscall(SYS_ftruncate, fd, length);
    int why = errno;
    if (done == 0 && ours(fd, path)) note('T', inode_of(fd), 0, (uint64_t)length, NULL, NULL, 0);
    end();
    errno = why;
    return done;
}

EXPORT int ftruncate(int fd, off_t length) { return cut(fd, length); }
EXPORT int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int move(int from, const char *old, int to, const char *new, unsigned flags) {
    char before[PATH_BYTES], after[PATH_BYTES];
    begin();
    int mine = whole(from, old, before) + whole(to, new, after);
    if (mine == 1 || (mine && flags)) unknown("rename");
    int done = (int)syscall(SYS_renameat2, from, old, to, new, flags);
    int why = errno;
    if (mine && done == 0) note('N', 0, 0, 0, before, after, strlen(after));
    end();
    errno = why;
    return done;
}

EXPORT int rename(const char *old, const char *new) { return move(AT_FDCWD, old, AT_FDCWD, new, 0); }
EXPORT int renameat(int from, const char *old, int to, const char *new) { return move(from, old, to, new, 0); }
EXPORT int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return move(from, old, to, new, flags);
}

static int take(int folder, const char *name, int flags) {
    char path[PATH_BYTES];
    begin();
    int mine = whole(folder, name, path);
    int done = (int)syscall(SYS_unlinkat, folder, name, flags);
    int why = errno;
    if (mine && done == 0) note('U', 0, 0, 0, path, NULL, 0);
    end();
    errno = why;
    return done;
}

EXPORT int unlink(const char *name) { return take(AT_FDCWD, name, 0); }
EXPORT int unlinkat(int folder, const char *name, int flags) { return take(folder, name, flags); }
EXPORT int rmdir(const char *name) { return take(AT_FDCWD, name, AT_REMOVEDIR); }

static int make_folder(int folder, const char *name, mode_t mode) {
    char path[PATH_BYTES];
    struct stat found;
    begin();
    int mine = whole(folder, name, path);
    int done = (int)syscall(SYS_mkdirat, folder, name, mode);
    int why = errno;
    if (mine && done == 0 && fstatat(folder, name, &found, 0) == 0) note('D', found.st_ino, 0, 0, path, NULL, 0);
    end();
    errno = why;
    return done;
}

EXPORT int mkdir(const char *name, mode_t mode) { return make_folder(AT_FDCWD, name, mode); }
EXPORT int mkdirat(int folder, const char *name, mode_t mode) { return make_folder(folder, name, mode); }

/* A process ends between two calls, never between one and its record: another thread may be in the middle of it. */
EXPORT void abort(void) {
    begin();
    ((void (*)(void))real("abort"))();
    _exit(99);
}
__attribute__((destructor)) static void last(void) { begin(); }

/* What the node does not use: a trace that holds one of these is refused. */

static void strange_file(int fd, const char *call) {
    char path[PATH_BYTES];
    begin();
    if (ours(fd, path)) unknown(call);
    end();
}

static void strange_name(const char *name, const char *call) {
    char path[PATH_BYTES];
    begin();
    if (whole(AT_FDCWD, name, path)) unknown(call);
    end();
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t length) {
    strange_file(fd, "fallocate");
    return REAL(fallocate)(fd, mode, at, length);
}
EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t length) { return fallocate(fd, mode, at, length); }
EXPORT int posix_fallocate(int fd, off_t at, off_t length) {
    strange_file(fd, "posix_fallocate");
    return REAL(posix_fallocate)(fd, at, length);
}
EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    strange_file(fd, "pwritev");
    return REAL(pwritev)(fd, parts, count, at);
}
EXPORT ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *where, size_t count, unsigned flags) {
    strange_file(to, "copy_file_range");
    return REAL(copy_file_range)(from, at, to, where, count, flags);
}
EXPORT ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
    strange_file(to, "sendfile");
    return syscall(SYS_sendfile, to, from, at, count);
}
EXPORT ssize_t sendfile(int to, int from, off_t *at, size_t count) { return sendfile64(to, from, at, count); }
EXPORT int msync(void *at, size_t length, int flags) {
    begin();
    if (trace >= 0) unknown("msync");
    end();
    return (int)syscall(SYS_msync, at, length, flags);
}
EXPORT void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) strange_file(fd, "mmap");
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
EXPORT void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, length, protection, flags, fd, offset);
}
EXPORT int truncate(const char *name, off_t length) {
    strange_name(name, "truncate");
    return (int)syscall(SYS_truncate, name, length);
}
EXPORT int truncate64(const char *name, off64_t length) { return truncate(name, length); }
EXPORT int link(const char *old, const char *new) {
    strange_name(new, "link");
    return (int)syscall(SYS_linkat, AT_FDCWD, old, AT_FDCWD, new, 0);
}
EXPORT int linkat(int from, const char *old, int to, const char *new, int flags) {
    strange_name(new, "linkat");
    return (int)syscall(SYS_linkat, from, old, to, new, flags);
}
EXPORT int symlink(const char *old, const char *new) {
    strange_name(new, "symlink");
    return (int)syscall(SYS_symlinkat, old, AT_FDCWD, new);
}
EXPORT int syncfs(int fd) {
    strange_file(fd, "syncfs");
    return 0;
}
