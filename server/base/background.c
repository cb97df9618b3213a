/* background.c: see background.h. */
#include "server/base/background.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOWEST_NICE = 19 };

background_level background_parse(const char *choice)
{
    return strcmp(choice, "normal") == 0 ? BACKGROUND_NORMAL
           : strcmp(choice, "low") == 0  ? BACKGROUND_LOW
                                         : BACKGROUND_IDLE;
}

/* The nice value too where SCHED_IDLE is asked for: a sandbox may forbid that. */
void background_enter(background_level level)
{
    const struct sched_param none = {.sched_priority = 0};
    if (level == BACKGROUND_NORMAL)
        return;
    if (level == BACKGROUND_IDLE)
        sched_setscheduler(0, SCHED_IDLE, &none); /* 0: this thread alone */
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_NICE);
}
