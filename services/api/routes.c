/* The table of routes. */
#include "routes.h"
#include "handlers.h"

#define API "/api/v1"

const struct route routes[] = {
    {"GET", API "/auctions", ACCESS_PUBLIC, auction_list_get},
    {"GET", API "/auctions/:id/viewers", ACCESS_PUBLIC, auction_viewers_get},
    {"GET", API "/auctions/:id/analytics/viewers", ACCESS_ANALYTICS, analytics_get},
    {"POST", API "/auctions/:id/analytics/snapshot", ACCESS_INTERNAL, snapshot_post, true},
    {"GET", API "/auctions/:id/settings", ACCESS_ADMIN, settings_get},
    {"PATCH", API "/auctions/:id/settings", ACCESS_ADMIN, settings_patch, true},
    {"GET", API "/config", ACCESS_PUBLIC, config_get},
    {"GET", "/openapi.json", ACCESS_PUBLIC, openapi_get},
    {"GET", "/healthz", ACCESS_PUBLIC, healthz_get},
    {"GET", "/readyz", ACCESS_PUBLIC, readyz_get},
    {"GET", "/", ACCESS_PUBLIC, page_get},
    {"GET", "/auctions/:id", ACCESS_PUBLIC, page_get},
    {"GET", "/auctions/:id/live", ACCESS_PUBLIC, page_get},
    {"GET", "/auctions/:id/setup", ACCESS_PUBLIC, page_get},
    {"GET", "/assets/:name", ACCESS_PUBLIC, asset_get},
};
const size_t route_count = sizeof routes / sizeof *routes;
