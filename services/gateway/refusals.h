/* Connections that were refused: counted by reason, and those that tell of a limit reached are
 * logged, a line a reason and ten seconds. Whom they were from is told nowhere. One thread. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "metrics.h"

#include "gateway_metrics.h"

struct refusals;

struct refusals *refusals_new(struct metrics *metrics); /* borrowed */
void refusals_destroy(struct refusals **refusals);

/* row: one of headcount_gateway_refused_total. */
void refusals_add(struct refusals *refusals, enum gateway_metric row);

/* The row of a verdict; VIEWER_NOT_FOUND and all after it. */
enum gateway_metric refusals_row(enum viewer_verdict verdict);

#endif
