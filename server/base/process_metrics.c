/* process_metrics.c: what the system says of this process, from /proc/self. What cannot be found out is 0. */
#include "server/base/metrics.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct process_facts {
    double resident_bytes, virtual_bytes;
    double cpu_seconds;   /* user and system time of all threads */
    double start_seconds; /* since 1970 */
    int threads, open_files, max_files;
} process_facts;

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

static process_facts look(void)
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

void process_metrics(FILE *out, void *unused)
{
    const process_facts p = look();
    (void)unused;
    metrics_write_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
    fprintf(out, "process_cpu_seconds_total %.15g\n", p.cpu_seconds);
    metrics_write_gauge(out, "process_start_time_seconds", "Start, in seconds since 1970.", p.start_seconds);
    metrics_write_gauge(out, "process_resident_memory_bytes", "Resident memory.", p.resident_bytes);
    metrics_write_gauge(out, "process_virtual_memory_bytes", "Virtual memory.", p.virtual_bytes);
    metrics_write_gauge(out, "process_open_fds", "Open file descriptors.", p.open_files);
    metrics_write_gauge(out, "process_max_fds", "How many may be open.", p.max_files);
    metrics_write_gauge(out, "process_threads", "Threads.", p.threads);
}
