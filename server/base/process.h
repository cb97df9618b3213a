/* process.h: what the system says of this process. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

typedef struct process_facts {
    double resident_bytes, virtual_bytes;
    double cpu_seconds;   /* user and system time of all threads */
    double start_seconds; /* since 1970 */
    int threads, open_files, max_files;
} process_facts;

/* What cannot be found out stays 0. */
process_facts process_look(void);

#endif
