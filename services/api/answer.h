/* The forms of a request's answer. The thread that serves its connection. */
#ifndef ANSWER_H
#define ANSWER_H

#include "request.h"

/* Each queues an answer, counts it, and returns what the handler returns. */
enum MHD_Result answer_data(struct request *request, json_t *data); /* takes data */
enum MHD_Result answer_error(struct request *request, enum api_error error, const char *format,
                             ...) __attribute__((format(printf, 3, 4)));

/* A read of the database that failed: 503. */
enum MHD_Result answer_database_error(struct request *request,
                                      const struct storage_error *error);

/* To a browser that asks for leave to send another request. */
enum MHD_Result answer_preflight(struct request *request);

/* Any other. Takes response over; adds the headers that every answer has. */
enum MHD_Result answer_send(struct request *request, unsigned status,
                            struct MHD_Response *response);

#endif
