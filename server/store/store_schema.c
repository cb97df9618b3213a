/* store_schema.c: the tables of a store.
 *
 * Triggers keep the counts, so that no code path can forget to, and every answer costs the same for large datasets.
 * They also drop image rows that no item uses any more, and remember their files in `garbage` until they are removed.
 */
#include "server/store/store_open.h"

static const char *const steps[] = {
    "CREATE TABLE datasets("
    "    id       INTEGER PRIMARY KEY,"
    "    name     TEXT    NOT NULL UNIQUE,"
    "    created  INTEGER NOT NULL,"
    "    items    INTEGER NOT NULL DEFAULT 0,"
    "    captions INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"

    "CREATE TABLE images("
    "    id       INTEGER PRIMARY KEY AUTOINCREMENT,"
    "    sha256   TEXT    NOT NULL UNIQUE,"
    "    type     TEXT    NOT NULL,"
    "    bytes    INTEGER NOT NULL,"
    "    width    INTEGER NOT NULL,"
    "    height   INTEGER NOT NULL,"
    "    features TEXT    NOT NULL DEFAULT ''" /* the encoder whose features of it are in the cache */
    ") STRICT;"
    "CREATE INDEX images_by_features ON images(features);"

    "CREATE TABLE items("
    "    id       INTEGER PRIMARY KEY AUTOINCREMENT,"
    "    dataset  INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE,"
    "    image    INTEGER NOT NULL REFERENCES images,"
    "    created  INTEGER NOT NULL,"
    "    UNIQUE(dataset, image)"
    ") STRICT;"
    "CREATE INDEX items_by_dataset ON items(dataset);" /* the rowid that every index ends with is the order of paging */
    "CREATE INDEX items_by_image ON items(image);"

    "CREATE TABLE captions("
    "    id       INTEGER PRIMARY KEY,"
    "    item     INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,"
    "    text     TEXT    NOT NULL,"
    "    UNIQUE(item, text)"
    ") STRICT;"

    "CREATE TABLE garbage(sha256 TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE totals(bytes INTEGER NOT NULL) STRICT;" /* one row */
    "INSERT INTO totals VALUES(0);"

    "CREATE TRIGGER image_added AFTER INSERT ON images BEGIN"
    "    UPDATE totals SET bytes = bytes + NEW.bytes;"
    "END;"
    "CREATE TRIGGER image_removed AFTER DELETE ON images BEGIN"
    "    UPDATE totals SET bytes = bytes - OLD.bytes;"
    "    INSERT OR IGNORE INTO garbage VALUES(OLD.sha256);"
    "END;"
    "CREATE TRIGGER item_added AFTER INSERT ON items BEGIN"
    "    UPDATE datasets SET items = items + 1 WHERE id = NEW.dataset;"
    "END;"
    /* While the item is there: caption_removed looks up its dataset. */
    "CREATE TRIGGER item_going BEFORE DELETE ON items BEGIN"
    "    DELETE FROM captions WHERE item = OLD.id;"
    "END;"
    "CREATE TRIGGER item_removed AFTER DELETE ON items BEGIN"
    "    UPDATE datasets SET items = items - 1 WHERE id = OLD.dataset;"
    "    DELETE FROM images WHERE id = OLD.image AND NOT EXISTS (SELECT 1 FROM items WHERE image = OLD.image);"
    "END;"
    "CREATE TRIGGER caption_added AFTER INSERT ON captions BEGIN"
    "    UPDATE datasets SET captions = captions + 1 WHERE id = (SELECT dataset FROM items WHERE id = NEW.item);"
    "END;"
    "CREATE TRIGGER caption_removed AFTER DELETE ON captions BEGIN"
    "    UPDATE datasets SET captions = captions - 1 WHERE id = (SELECT dataset FROM items WHERE id = OLD.item);"
    "END;",
};

const database_schema store_schema = {sizeof steps / sizeof *steps, steps};
