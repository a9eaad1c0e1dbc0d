/* The handlers that the route table names, and where each is. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "routes.h"

route_f auction_list_get;    /* auction_list.c: auctions known or live */
route_f auction_viewers_get; /* auction_list.c: one auction's live count */
route_f analytics_get;       /* analytics_get.c: snapshots, streamed */
route_f snapshot_post;       /* snapshot_post.c */
route_f settings_get;        /* settings_change.c */
route_f settings_patch;      /* settings_change.c */
route_f config_get;          /* pages.c: what pages have to know */
route_f page_get;            /* pages.c: a page */
route_f asset_get;           /* pages.c: a script, a style … */
route_f openapi_get;         /* pages.c */
route_f healthz_get;         /* health_get.c */
route_f readyz_get;          /* health_get.c */

#endif
