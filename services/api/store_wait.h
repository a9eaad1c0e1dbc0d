/* A request waits for a store: its connection is suspended, and served again by the same thread
 * when the store has answered or is given up. */
#ifndef STORE_WAIT_H
#define STORE_WAIT_H

#include "request.h"

/* Hands request->call to the store and suspends; resume is called when it is done. */
enum MHD_Result store_wait_begin(struct request *request, route_f *resume);

/* In resume: true when the ack is there and ok (see request->call.ack); else the error is
 * answered and *result set. */
bool store_wait_went_well(struct request *request, enum MHD_Result *result);

#endif
