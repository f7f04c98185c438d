/* A clock that is wrong, a kernel that says so, a resolver that knows only what it is told, and
   less memory, for the one program that this is loaded into. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

int adjtimex(struct timex *state)
{
    const char *said = getenv("TEST_CLOCK_STATE");
    return said ? atoi(said) : (int)syscall(SYS_adjtimex, state);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const char *ahead = getenv("TEST_SECONDS_AHEAD");
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && ahead)
        now->tv_sec += atol(ahead);
    return done;
}

/* TEST_MEMINFO is read in the place of /proc/meminfo. */
int open64(const char *path, int flags, ...)
{
    const char *other = getenv("TEST_MEMINFO");
    mode_t mode;
    va_list more;

    va_start(more, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (other && strcmp(path, "/proc/meminfo") == 0)
        path = other;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* TEST_NAMES is `name=address,name=address`. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    const char *known = getenv("TEST_NAMES");
    size_t length = name ? strlen(name) : 0;
    char address[64];

    if (!known || !name)
        return real(name, service, hints, found);
    for (; known; known = strchr(known, ',')) {
        known += *known == ',';
        if (strncmp(known, name, length) == 0 && known[length] == '=') {
            const char *from = known + length + 1;
            size_t size = strcspn(from, ",");
            if (size >= sizeof address)
                return EAI_FAIL;
            memcpy(address, from, size);
            address[size] = 0;
            return real(address, service, hints, found);
        }
    }
    return EAI_NONAME;
}
