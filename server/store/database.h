/* database.h: an SQLite file with every safety on, checked, its tables brought up to date, its statements kept.
 *
 *     problem p;
 *     if (database_begin(d, &p))
 *         return 1;
 *     sqlite3_stmt *q = database_prepare(d, "UPDATE jobs SET progress = ?1 WHERE id = ?2");
 *     database_bind_text(q, 1, progress);
 *     sqlite3_bind_int64(q, 2, id);
 *     return database_end(d, database_run(d, q, &p), &p);
 *
 * One connection, one mutex. What a transaction acknowledges is on the disk (WAL, synchronous=FULL): kill -9 or a power
 * cut at any moment loses no committed row and leaves no half of a transaction. Several processes may share the file on
 * a local disk. A file that is damaged, or has not the tables of its version, is refused when it is opened; one that
 * is removed or replaced while it is in use is noticed before the next commit. All functions wait for the disk.
 * Functions with a `problem` return 0, or 1 with *p set. */
#ifndef SERVER_DATABASE_H
#define SERVER_DATABASE_H

#include <sqlite3.h>

#include "model/error.h"
#include "server/http/problem.h"

typedef struct database database;

/* The tables, version by version: steps[v] is SQL that makes version v + 1 of version v; version 0 is an empty file.
 * Never change a step that was released: append one. */
typedef struct database_schema {
    int version; /* number of steps */
    const char *const *steps;
} database_schema;

/* Who opens a database holds its directory meanwhile: of two that make a file WAL at once, SQLite refuses one without
 * letting it wait. Returns the directory, locked until it is closed, or -1. */
int database_lock_directory(const char *path, caption_error *err);

/* What a missing or empty file means: a first start, or a loss. */
typedef enum database_absence { DATABASE_MAKE, DATABASE_LOST } database_absence;

/* Opens the file, checks all of it and brings its tables up to date; refuses one that is damaged (CAPTION_EFORMAT) or
 * of a newer version, and leaves both as they are. The schema is kept. */
int database_open(database **out, const char *path, const database_schema *schema, database_absence absence,
                  caption_error *err);
void database_close(database *d); /* NULL is allowed */

/* Moves DIRECTORY/NAME and its journal to DIRECTORY/quarantine/NAME.SECONDS; what does not exist is passed over. */
int database_set_aside(const char *directory, const char *name, caption_error *err);

/* Takes the mutex and SQLite's write lock, which other processes respect. */
int database_begin(database *d, problem *p);

/* Commits, or with `failed` rolls back; gives up both. Returns 0 only if it committed. */
int database_end(database *d, int failed, problem *p);

/* For reading: the mutex alone. Each statement sees what is committed when it begins. */
void database_lock(database *d);
void database_unlock(database *d);

/* ---- statements: between begin and end, or lock and unlock ----------------------------------------------------- */

/* A statement ready to be bound. `sql` is a string literal: statements are kept by its address. */
sqlite3_stmt *database_prepare(database *d, const char *sql);

/* The text must live until the statement has run; NULL binds NULL. */
void database_bind_text(sqlite3_stmt *q, int place, const char *text);

/* Runs to the end, ignoring rows. */
int database_run(database *d, sqlite3_stmt *q, problem *p);

/* DATABASE_ROW, or the statement has ended: DATABASE_END, or DATABASE_FAULT with *p set. Who stops before that calls
 * sqlite3_reset. */
enum { DATABASE_END, DATABASE_ROW, DATABASE_FAULT };
int database_step(database *d, sqlite3_stmt *q, problem *p);

/* Rows that the last statement changed. */
int database_changes(database *d);

/* The id of the last inserted row. */
long long database_inserted(database *d);

#endif
