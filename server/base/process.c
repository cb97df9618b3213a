/* process.c: /proc/self; see process.h. */
#include "server/base/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The numbers of /proc/self/stat behind the name, which may hold anything: fields 3 and on of proc(5). */
static void read_stat(process_facts *facts, double *start_ticks)
{
    char text[1024] = "";
    unsigned long long user, system, start, memory;
    long long pages;
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *fields = strrchr(text, ')');
    if (!fields ||
        sscanf(fields + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %d %*d %llu %llu %lld", &user,
               &system, &facts->threads, &start, &memory, &pages) != 6)
        return;
    facts->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    facts->virtual_bytes = (double)memory;
    facts->resident_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    *start_ticks = (double)start;
}

/* The system's start, since 1970; 0: unknown. */
static double boot_time(void)
{
    char line[256];
    double seconds = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "btime %lf", &seconds) == 1)
            break;
    if (file)
        fclose(file);
    return seconds;
}

static int count_files(void)
{
    int n = 0;
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL)
        n += *entry->d_name != '.';
    if (directory)
        closedir(directory);
    return n > 0 ? n - 1 : 0; /* without the directory itself */
}

process_facts process_look(void)
{
    process_facts facts = {0};
    struct rlimit files;
    double ticks = 0, boot = boot_time();
    read_stat(&facts, &ticks);
    if (boot > 0 && ticks > 0)
        facts.start_seconds = boot + ticks / (double)sysconf(_SC_CLK_TCK);
    facts.open_files = count_files();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        facts.max_files = files.rlim_cur > 2147483647 ? 2147483647 : (int)files.rlim_cur;
    return facts;
}
