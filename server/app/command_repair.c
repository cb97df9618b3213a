/* command_repair.c: `captiond repair` brings a data directory in order whose index was lost or damaged: a new index of
 * datasets is made of the images and the captions beside them (store_repair), and jobs whose own index cannot be used
 * are set aside (job_store_repair). */
#include <stdio.h>

#include "server/api/data.h"
#include "server/app/commands.h"
#include "server/base/options.h"
#include "server/jobs/job_store.h"
#include "server/store/store.h"

static void tell(const char *directory, const store_repair_report *r, int jobs_set_aside)
{
    printf("%s: the index %s; %lld images were entered\n", directory,
           r->rebuilt ? "was lost or damaged and is new" : "is in order", r->images);
    printf("it has %lld datasets with %lld items and %lld captions\n", r->datasets, r->items, r->captions);
    if (r->set_aside > 0)
        printf("%lld image files stay in quarantine/: nothing says what they are of, or they are damaged\n",
               r->set_aside);
    if (jobs_set_aside)
        printf("the index of jobs was lost or damaged: it and the jobs' files are in quarantine/\n");
}

int command_repair(int argc, char **argv)
{
    const char *data = NULL;
    char directory[PATH_MAX];
    const option table[] = {
        {"data", OPTION_TEXT, &data, 0, 0, "DIR",
         "data directory, as for serve; default: $XDG_DATA_HOME/captiond, ~/.local/share/captiond"},
        {0},
    };
    const options_usage usage = {"repair", "", "Rebuilds a lost or damaged dataset index; stop captiond first.",
                                 table,    0,  0};
    store_repair_report report;
    caption_error err;
    int status, jobs_set_aside = 0;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    status = data_directory(data, directory, &err);
    if (!status)
        status = store_repair(directory, &report, &err);
    if (!status)
        status = job_store_repair(directory, &jobs_set_aside, &err);
    if (status)
        fprintf(stderr, "captiond repair: %s\n", err.message);
    else
        tell(directory, &report, jobs_set_aside);
    return status != CAPTION_OK;
}
