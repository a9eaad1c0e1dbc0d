/* What every request handler works with. Made by api.c, constant while requests are served. */
#ifndef API_CONTEXT_H
#define API_CONTEXT_H

#include "api_settings.h"
#include "forwarded.h"
#include "guesses.h"
#include "health.h"
#include "keyring.h"
#include "live_counts.h"
#include "metrics.h"
#include "storage_pool.h"
#include "store_client.h"

struct api_context {
    const struct api_settings *settings;
    struct keyring *internal_keys, *admin_keys;
    struct guesses *guesses;
    struct networks *proxies;
    enum forwarded_form form;
    struct metrics *metrics;
    struct storage_pool *pool;
    struct live_counts *live;
    struct store_client *store;
    struct health *health;
};

#endif
