/* A snapshot as the JSON that readers get. Pure; any thread. */
#ifndef SNAPSHOT_JSON_H
#define SNAPSHOT_JSON_H

#include <stddef.h>

#include "snapshot.h"

#define SNAPSHOT_JSON_BYTES 640 /* the longest row and its end */
#define NUMBER_TEXT_BYTES 32

/* Writes the object, without white space; exact figures only where they are known. Returns its
 * length. */
size_t snapshot_json(const struct snapshot *snapshot, char text[SNAPSHOT_JSON_BYTES]);

/* The shortest text that reads back as the same number: 445, not 445.0. What is not finite
 * gives 0. */
void number_text(double number, char text[NUMBER_TEXT_BYTES]);

#endif
