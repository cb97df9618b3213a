/* models.h: captioners that jobs have trained, and which captioner is the default.
 *
 *     DATA/models/NAME.safetensors   a finished model; appears there whole, by linking
 *     DATA/models/active             a symbolic link whose text is the default's NAME, shipped or trained
 *
 * All daemons on a data directory serve what is there: a thread reads the link and the directory's time of change some
 * times a second. Looking costs two system calls; unlike inotify it also sees what comes through a network
 * file system or a mount of another container.
 *
 * A daemon that was told its default (--model) starts with that, whatever the link says, and follows the link once it
 * changes.
 *
 * Shipped weights (--weights) are only read. Thread-safe: one mutex, held while files are loaded, so all but
 * models_look is for threads that may wait (disk.h); publishing, activating and deleting are for who holds the store of
 * jobs (job_store.h), because the mutex keeps out no other daemon. Functions with a `problem` return 0, or 1 with *p
 * set. */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include "server/engine/registry.h"
#include "server/http/problem.h"

typedef struct models models;

/* Makes the directory, loads what is in it into the registry, which has the shipped models, and makes the link's model
 * the default, unless one was `told` (NULL: none), and starts the thread that follows. A file or link that cannot be
 * used is logged and left alone. */
int models_open(models **out, registry *r, const char *data, const char *told, caption_error *err);
void models_close(models *m); /* NULL is allowed */

/* Follows what changed on the disk. */
void models_look(models *m);

/* Why a new model cannot be called `name`. */
int models_check_name(models *m, const char *name, problem *p);

/* Gives `file`, on the same file system, this name among the models and puts it in service; may be repeated. Refuses a
 * name that another file has. A file that is not damaged stays there even if it cannot be loaded. */
int models_publish(models *m, const char *name, const char *file, problem *p);

/* Makes a model the default, for this daemon and the others, now and after a restart. Its file is looked at again; if
 * it is broken, the old default stays. */
int models_activate(models *m, const char *name, problem *p);

/* Removes a trained model that is not the default, also one whose file cannot be used. */
int models_delete(models *m, const char *name, problem *p);

#endif
