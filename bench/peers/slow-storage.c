// Storage with latency, for any program that is started with this library preloaded: each call that is a round trip on
// network storage takes SLOW_STORAGE_US microseconds more. Pipes, sockets and closing are left alone, and so is what is
// reached by an absolute path, such as a program's own code, unless it begins with SLOW_STORAGE_ROOT or means a handle.
//
// What libc calls inside itself passes by here. That concerns directories: a batch of 32 KiB, as libc asks for, counts at
// the first name of each batch and at the end. It spares stdio (all but fopen) and the fstat in opendir: programs that
// use those look faster than they are. With SLOW_STORAGE_COUNTS, a file, the calls of all processes are counted in it.
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, STAT, READDIR, READ, WRITE, SYNC, UNLINK, RMDIR, RENAME, MKDIR, LINK, CHMOD, KINDS };

// Sixteen bytes of name, then the count: what the suite reads.
struct counter {
  char name[16];
  uint64_t count;
};

static const char *const kinds[KINDS] = {"open", "stat", "readdir", "read", "write", "sync",
                                         "unlink", "rmdir", "rename", "mkdir", "link", "chmod"};
static const char *const settings[] = {"LD_PRELOAD", "SLOW_STORAGE_US", "SLOW_STORAGE_ROOT", "SLOW_STORAGE_COUNTS"};
enum { SETTINGS = 4, DESCRIPTORS = 1 << 16, BATCH = 32768, VARIABLES = 1024 };

static struct counter unseen[KINDS];
static struct counter *counters = unseen;
static struct timespec delay;
static char *root;
static char *inherited[SETTINGS];
static unsigned char is_file[DESCRIPTORS];
static uint32_t unread[DESCRIPTORS];

__attribute__((constructor)) static void begin(void) {
  for (int i = 0; i < SETTINGS; i++) {
    const char *value = getenv(settings[i]);
    if (value != NULL && asprintf(&inherited[i], "%s=%s", settings[i], value) < 0) abort();
  }
  const char *us = getenv("SLOW_STORAGE_US");
  delay.tv_nsec = us == NULL ? 0 : atol(us) * 1000;
  root = getenv("SLOW_STORAGE_ROOT");
  if (root != NULL && (root = strdup(root)) == NULL) abort();
  // Else a sleep takes up to 50 µs more. Threads inherit it.
  prctl(PR_SET_TIMERSLACK, 1);
  const char *path = getenv("SLOW_STORAGE_COUNTS");
  if (path == NULL) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof unseen) != 0) abort();
  counters = mmap(NULL, sizeof unseen, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (counters == MAP_FAILED) abort();
  for (int i = 0; i < KINDS; i++) strncpy(counters[i].name, kinds[i], sizeof counters[i].name);
  syscall(SYS_close, fd);
}

static void round_trips(int kind, unsigned times) {
  int error = errno;
  __atomic_add_fetch(&counters[kind].count, times, __ATOMIC_RELAXED);
  for (; times > 0 && delay.tv_nsec > 0; times--) nanosleep(&delay, NULL);
  errno = error;
}

static void round_trip(int kind) { round_trips(kind, 1); }

static int is_far(const char *path) {
  static const char handles[] = "/proc/self/fd/";
  if (path == NULL || path[0] != '/' || strncmp(path, handles, sizeof handles - 1) == 0) return 1;
  return root != NULL && strncmp(path, root, strlen(root)) == 0;
}

static void round_trip_at(int kind, const char *path) {
  if (is_far(path)) round_trip(kind);
}

static int opened(const char *path, int fd) {
  if (fd >= 0 && fd < DESCRIPTORS) is_file[fd] = (unsigned char)is_far(path), unread[fd] = 0;
  return fd;
}

static void closing(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS) is_file[fd] = 0;
}

static void round_trip_of(int kind, int fd) {
  if (fd >= 0 && fd < DESCRIPTORS && is_file[fd]) round_trip(kind);
}

#define NEXT(result, name, parameters) \
  static result(*real) parameters;     \
  if (real == NULL) real = (result(*) parameters)dlsym(RTLD_NEXT, #name)
#define WRAP(result, name, parameters, before, value) \
  result name parameters {                            \
    NEXT(result, name, parameters);                   \
    before;                                           \
    return value;                                     \
  }
#define PATH(kind, name, parameters, arguments) WRAP(int, name, parameters, round_trip_at(kind, path), real arguments)
#define MOVE(kind, name, parameters, arguments) \
  WRAP(ssize_t, name, parameters, round_trip_of(kind, fd), real arguments)
#define BOTH(macro, kind, name, parameters, arguments) \
  macro(kind, name, parameters, arguments) macro(kind, name##64, parameters, arguments)

#define OPENER(name, parameters, last, arguments)    \
  int name parameters {                              \
    NEXT(int, name, parameters);                     \
    va_list rest;                                    \
    va_start(rest, last);                            \
    int mode = last & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0; \
    va_end(rest);                                    \
    round_trip_at(OPEN, path);                       \
    return opened(path, real arguments);                   \
  }
OPENER(open, (const char *path, int flags, ...), flags, (path, flags, mode))
OPENER(open64, (const char *path, int flags, ...), flags, (path, flags, mode))
OPENER(openat, (int at, const char *path, int flags, ...), flags, (at, path, flags, mode))
OPENER(openat64, (int at, const char *path, int flags, ...), flags, (at, path, flags, mode))
// What the compiler makes of these where it checks arguments.
WRAP(int, __open_2, (const char *path, int flags), round_trip_at(OPEN, path), opened(path, real(path, flags)))
WRAP(int, __open64_2, (const char *path, int flags), round_trip_at(OPEN, path), opened(path, real(path, flags)))
WRAP(int, __openat_2, (int at, const char *path, int flags), round_trip_at(OPEN, path), opened(path, real(at, path, flags)))
WRAP(int, __openat64_2, (int at, const char *path, int flags), round_trip_at(OPEN, path), opened(path, real(at, path, flags)))
WRAP(FILE *, fopen, (const char *path, const char *mode), round_trip_at(OPEN, path), real(path, mode))
WRAP(FILE *, fopen64, (const char *path, const char *mode), round_trip_at(OPEN, path), real(path, mode))
WRAP(int, close, (int fd), closing(fd), real(fd))

PATH(STAT, stat, (const char *path, struct stat *into), (path, into))
PATH(STAT, stat64, (const char *path, struct stat64 *into), (path, into))
PATH(STAT, lstat, (const char *path, struct stat *into), (path, into))
PATH(STAT, lstat64, (const char *path, struct stat64 *into), (path, into))
PATH(STAT, fstatat, (int at, const char *path, struct stat *into, int flags), (at, path, into, flags))
PATH(STAT, fstatat64, (int at, const char *path, struct stat64 *into, int flags), (at, path, into, flags))
PATH(STAT, statx, (int at, const char *path, int flags, unsigned mask, struct statx *into),
     (at, path, flags, mask, into))
WRAP(int, fstat, (int fd, struct stat *into), round_trip_of(STAT, fd), real(fd, into))
WRAP(int, fstat64, (int fd, struct stat64 *into), round_trip_of(STAT, fd), real(fd, into))
PATH(STAT, access, (const char *path, int mode), (path, mode))
PATH(STAT, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags))

PATH(UNLINK, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int at, const char *path, int flags), round_trip_at(flags & AT_REMOVEDIR ? RMDIR : UNLINK, path),
     real(at, path, flags))
PATH(RMDIR, rmdir, (const char *path), (path))
PATH(RENAME, rename, (const char *path, const char *to), (path, to))
PATH(RENAME, renameat, (int at, const char *path, int to_at, const char *to), (at, path, to_at, to))
PATH(MKDIR, mkdir, (const char *path, mode_t mode), (path, mode))
PATH(MKDIR, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
PATH(LINK, link, (const char *path, const char *to), (path, to))
PATH(LINK, symlink, (const char *text, const char *path), (text, path))
PATH(CHMOD, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, (int fd, mode_t mode), round_trip_of(CHMOD, fd), real(fd, mode))

MOVE(READ, read, (int fd, void *into, size_t size), (fd, into, size))
MOVE(READ, __read_chk, (int fd, void *into, size_t size, size_t room), (fd, into, size, room))
MOVE(READ, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
BOTH(MOVE, READ, pread, (int fd, void *into, size_t size, off_t at), (fd, into, size, at))
BOTH(MOVE, READ, preadv, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
MOVE(WRITE, write, (int fd, const void *from, size_t size), (fd, from, size))
MOVE(WRITE, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
BOTH(MOVE, WRITE, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
BOTH(MOVE, WRITE, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
WRAP(int, fsync, (int fd), round_trip_of(SYNC, fd), real(fd))
WRAP(int, fdatasync, (int fd), round_trip_of(SYNC, fd), real(fd))

DIR *opendir(const char *path) {
  NEXT(DIR *, opendir, (const char *));
  round_trip_at(OPEN, path);
  DIR *directory = real(path);
  if (directory != NULL) opened(path, dirfd(directory));
  return directory;
}
WRAP(int, closedir, (DIR * directory), closing(dirfd(directory)), real(directory))

static void met(DIR *directory, int size) {
  int fd = dirfd(directory);
  if (fd >= DESCRIPTORS || !is_file[fd]) return;
  if (size == 0 || unread[fd] < (uint32_t)size) {
    round_trip(READDIR);
    unread[fd] = BATCH;
  }
  unread[fd] -= (uint32_t)size;
}
#define READER(name, type)                      \
  struct type *name(DIR *directory) {           \
    NEXT(struct type *, name, (DIR *));         \
    struct type *entry = real(directory);       \
    met(directory, entry ? entry->d_reclen : 0); \
    return entry;                               \
  }
READER(readdir, dirent)
READER(readdir64, dirent64)

#define SCANNER(name, type)                                                                        \
  int name(const char *path, struct type ***list, int (*keep)(const struct type *),               \
           int (*compare)(const struct type **, const struct type **)) {                          \
    NEXT(int, name, (const char *, struct type ***, int (*)(const struct type *),                 \
                     int (*)(const struct type **, const struct type **)));                       \
    round_trip_at(OPEN, path);                                                                    \
    int count = real(path, list, keep, compare);                                                  \
    unsigned size = 0;                                                                            \
    for (int i = 0; i < count; i++) size += (*list)[i]->d_reclen;                                 \
    if (count >= 0 && is_far(path)) round_trips(READDIR, 2 + size / BATCH);                                       \
    return count;                                                                                 \
  }
SCANNER(scandir, dirent)
SCANNER(scandir64, dirent64)

// Node asks for statx by its number, and closes so: the number may be a socket's next.
long syscall(long number, ...) {
  NEXT(long, syscall, (long, ...));
  va_list rest;
  va_start(rest, number);
  long given[6];
  for (int i = 0; i < 6; i++) given[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) closing((int)given[0]);
  else if (number == SYS_statx && (given[2] & AT_EMPTY_PATH)) round_trip_of(STAT, (int)given[0]);
  else if (number == SYS_statx) round_trip_at(STAT, (const char *)given[1]);
  return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

// A program that gives its children an environment of their own would leave this library behind.
int execvp(const char *file, char *const arguments[]) {
  char *all[VARIABLES + SETTINGS + 1];
  int count = 0;
  int is_given = getenv("LD_PRELOAD") != NULL;
  for (; environ != NULL && environ[count] != NULL && count < VARIABLES; count++) all[count] = environ[count];
  for (int i = 0; i < SETTINGS && !is_given; i++)
    if (inherited[i] != NULL) all[count++] = inherited[i];
  all[count] = NULL;
  return execvpe(file, arguments, all);
}
