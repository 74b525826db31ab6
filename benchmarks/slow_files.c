/* A slow shared file system, as a library for LD_PRELOAD.

   It counts the calls of the C library that touch files below the folder SLOW_FILES_FOLDER, and makes each wait
   SLOW_FILES_MICROSECONDS, which may be 0. Counts go into the file SLOW_FILES_COUNTS, which several processes share: a
   table of unsigned 64-bit integers, a row for each phase and a column for each operation. slow_files_phase chooses the
   row of the calling process, at first 0.

   A call counts if a client of a network file system would have to ask the server: not lseek, nor fstat, nor a write,
   which wait in the client until the file is synced or closed. Of the reads of a file, those count that leave the
   window of a megabyte of the last one: the client reads ahead, and keeps what it has read. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation { STAT, OPEN, READ, LIST, WRITE, N_OPERATIONS };
enum { N_PHASES = 16, N_FILES = 4096, WINDOW = 1 << 20, LISTING_BYTES = 32768 };

static char folder[4096];
static size_t folder_length;
static struct timespec latency;
static uint64_t (*counts)[N_OPERATIONS];
static int phase;
static struct { char is_slow, is_written; int64_t window; } files[N_FILES];
static struct { DIR *stream; size_t bytes; } listings[64];

__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("SLOW_FILES_FOLDER"), *table = getenv("SLOW_FILES_COUNTS");
    const char *microseconds = getenv("SLOW_FILES_MICROSECONDS");
    if (!name || !table) return;
    int file = syscall(SYS_openat, AT_FDCWD, table, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(uint64_t) * N_PHASES * N_OPERATIONS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (memory == MAP_FAILED) return;
    long wait = microseconds ? atol(microseconds) : 0;
    latency = (struct timespec){wait / 1000000, wait % 1000000 * 1000};
    snprintf(folder, sizeof folder, "%s", name);
    folder_length = strlen(folder);
    counts = memory;
}

void slow_files_phase(int number) { phase = number; }

static void charge(enum operation operation)
{
    int before = errno;
    __atomic_fetch_add(&counts[phase][operation], 1, __ATOMIC_RELAXED);
    if (latency.tv_sec || latency.tv_nsec) nanosleep(&latency, NULL);
    errno = before;
}

static int is_inside(const char *path)
{
    return counts && path && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || !path[folder_length]);
}

/* Relative paths count only below an open folder: the current directory is taken for a fast one. */
static int is_slow(int at, const char *path)
{
    char link[64], real[4096];
    if (!counts) return 0;
    if (at == AT_FDCWD || (path && *path == '/')) return is_inside(path);
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, real, sizeof real - 1);
    if (length < 0) return 0;
    real[length] = 0;
    return is_inside(real);
}

static int opened(int file, int slow, int flags)
{
    if (file >= 0 && file < N_FILES) {
        files[file].is_slow = slow;
        files[file].is_written = slow && (flags & O_ACCMODE) != O_RDONLY;
        files[file].window = -1;
    }
    return file;
}

static void before_read(int file, int64_t offset)
{
    if (!counts || file < 0 || file >= N_FILES || !files[file].is_slow) return;
    if (offset < 0) offset = lseek(file, 0, SEEK_CUR);
    if (offset / WINDOW != files[file].window) charge(READ);
    files[file].window = offset / WINDOW;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define ON_PATH(type, name, parameters, at, path, operation, arguments) \
    type name parameters \
    { \
        REAL(name); \
        if (is_slow(at, path)) charge(operation); \
        return real arguments; \
    }

#define ON_FILE(name, operation) \
    int name(int file) \
    { \
        REAL(name); \
        if (counts && file >= 0 && file < N_FILES && files[file].is_slow) charge(operation); \
        return real(file); \
    }

#define OPEN_AT(name) \
    int name(int at, const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        int slow = is_slow(at, path); \
        if (slow) charge(OPEN); \
        return opened(real(at, path, flags, mode), slow, flags); \
    }

#define OPEN_PATH(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        int slow = is_slow(AT_FDCWD, path); \
        if (slow) charge(OPEN); \
        return opened(real(path, flags, mode), slow, flags); \
    }

OPEN_PATH(open)
OPEN_PATH(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
ON_PATH(FILE *, fopen, (const char *path, const char *mode), AT_FDCWD, path, OPEN, (path, mode))
ON_PATH(FILE *, fopen64, (const char *path, const char *mode), AT_FDCWD, path, OPEN, (path, mode))

ON_PATH(int, stat, (const char *path, struct stat *to), AT_FDCWD, path, STAT, (path, to))
ON_PATH(int, stat64, (const char *path, struct stat64 *to), AT_FDCWD, path, STAT, (path, to))
ON_PATH(int, lstat, (const char *path, struct stat *to), AT_FDCWD, path, STAT, (path, to))
ON_PATH(int, lstat64, (const char *path, struct stat64 *to), AT_FDCWD, path, STAT, (path, to))
ON_PATH(int, access, (const char *path, int mode), AT_FDCWD, path, STAT, (path, mode))
ON_PATH(int, faccessat, (int at, const char *path, int mode, int flags), at, path, STAT, (at, path, mode, flags))
ON_PATH(ssize_t, readlink, (const char *path, char *to, size_t n), AT_FDCWD, path, STAT, (path, to, n))
ON_PATH(ssize_t, readlinkat, (int at, const char *path, char *to, size_t n), at, path, STAT, (at, path, to, n))

/* Without a path, these describe an open file. */
#define STAT_AT(name, buffer) \
    int name(int at, const char *path, struct buffer *to, int flags) \
    { \
        REAL(name); \
        if (*path && is_slow(at, path)) charge(STAT); \
        return real(at, path, to, flags); \
    }

STAT_AT(fstatat, stat)
STAT_AT(fstatat64, stat64)

int statx(int at, const char *path, int flags, unsigned mask, struct statx *to)
{
    REAL(statx);
    if (*path && is_slow(at, path)) charge(STAT);
    return real(at, path, flags, mask, to);
}

/* Programs built against a C library before 2.33 call these instead of stat and lstat. */
#define OLD_STAT(name, buffer) \
    int name(int version, const char *path, struct buffer *to); \
    ON_PATH(int, name, (int version, const char *path, struct buffer *to), AT_FDCWD, path, STAT, (version, path, to))

OLD_STAT(__xstat, stat)
OLD_STAT(__xstat64, stat64)
OLD_STAT(__lxstat, stat)
OLD_STAT(__lxstat64, stat64)

ON_PATH(int, rename, (const char *old, const char *new), AT_FDCWD, new, WRITE, (old, new))
ON_PATH(int, renameat, (int a, const char *old, int b, const char *new), b, new, WRITE, (a, old, b, new))
ON_PATH(int, unlink, (const char *path), AT_FDCWD, path, WRITE, (path))
ON_PATH(int, unlinkat, (int at, const char *path, int flags), at, path, WRITE, (at, path, flags))
ON_PATH(int, rmdir, (const char *path), AT_FDCWD, path, WRITE, (path))
ON_PATH(int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, WRITE, (path, mode))
ON_PATH(int, mkdirat, (int at, const char *path, mode_t mode), at, path, WRITE, (at, path, mode))
ON_PATH(int, utimensat, (int at, const char *path, const struct timespec to[2], int flags), at, path, WRITE,
        (at, path, to, flags))
ON_FILE(fsync, WRITE)
ON_FILE(fdatasync, WRITE)

int flock(int file, int how);

int flock(int file, int how)
{
    REAL(flock);
    if (counts && file >= 0 && file < N_FILES && files[file].is_slow) charge(WRITE);
    return real(file, how);
}

int close(int file)
{
    REAL(close);
    if (counts && file >= 0 && file < N_FILES) {
        if (files[file].is_written) charge(WRITE);
        files[file].is_slow = files[file].is_written = 0;
    }
    return real(file);
}

ssize_t read(int file, void *to, size_t n)
{
    REAL(read);
    before_read(file, -1);
    return real(file, to, n);
}

ssize_t pread(int file, void *to, size_t n, off_t offset)
{
    REAL(pread);
    before_read(file, offset);
    return real(file, to, n, offset);
}

ssize_t pread64(int file, void *to, size_t n, off64_t offset)
{
    REAL(pread64);
    before_read(file, offset);
    return real(file, to, n, offset);
}

/* A listing opens the folder and fetches its entries by pieces of 32 KiB, the last of them empty. */
static DIR *listed(DIR *stream, int slow)
{
    if (!stream || !slow) return stream;
    for (size_t i = 0; i < sizeof listings / sizeof *listings; i++) {
        DIR *nobody = NULL;
        if (__atomic_compare_exchange_n(&listings[i].stream, &nobody, stream, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            listings[i].bytes = LISTING_BYTES;
            break;
        }
    }
    return stream;
}

static void before_entry(size_t *bytes, size_t length)
{
    if (*bytes + length > LISTING_BYTES) {
        charge(LIST);
        *bytes = 0;
    }
    *bytes += length;
}

static size_t *listing_of(DIR *stream)
{
    if (!counts) return NULL;
    for (size_t i = 0; i < sizeof listings / sizeof *listings; i++)
        if (listings[i].stream == stream) return &listings[i].bytes;
    return NULL;
}

DIR *opendir(const char *path)
{
    REAL(opendir);
    int slow = is_slow(AT_FDCWD, path);
    if (slow) charge(OPEN);
    return listed(real(path), slow);
}

DIR *fdopendir(int file)
{
    REAL(fdopendir);
    return listed(real(file), is_slow(file, NULL));
}

#define READ_ENTRY(name, entry) \
    struct entry *name(DIR *stream) \
    { \
        REAL(name); \
        size_t *bytes = listing_of(stream); \
        struct entry *found = real(stream); \
        if (bytes) before_entry(bytes, found ? found->d_reclen : LISTING_BYTES + 1); \
        return found; \
    }

READ_ENTRY(readdir, dirent)
READ_ENTRY(readdir64, dirent64)

int closedir(DIR *stream)
{
    REAL(closedir);
    for (size_t i = 0; counts && i < sizeof listings / sizeof *listings; i++)
        if (listings[i].stream == stream) __atomic_store_n(&listings[i].stream, NULL, __ATOMIC_RELEASE);
    return real(stream);
}
