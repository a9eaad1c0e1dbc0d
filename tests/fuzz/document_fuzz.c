/* BSON from a database. A document that reads as a valid snapshot, written anew, reads the
 * same. Input: a document. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

#include "fuzz.h"

static void
read_ids(const bson_t *document)
{
    char auction[AUCTION_BYTES], after[OBJECT_ID_BYTES];
    bson_iter_t at;
    if (!bson_iter_init(&at, document))
        return;
    while (bson_iter_next(&at)) {
        if (!document_read_id(&at, auction))
            continue;
        assert(auction_valid(auction, strlen(auction)));
        if (document_object_id_after(auction, after))
            assert(strcmp(after, auction) > 0 && auction_is_object_id(after));
    }
}

static void
check_again(struct snapshot *snapshot)
{
    struct snapshot again;
    bson_t document = BSON_INITIALIZER, filter = BSON_INITIALIZER, unset = BSON_INITIALIZER;
    document_add_key(&document, snapshot);
    document_add_figures(&document, snapshot);
    document_add_less_full(&filter, snapshot);
    assert((document_add_unknown(&unset, snapshot) > 0) == !snapshot->exact);
    bool read = document_read_snapshot(&document, &again);
    fuzz_tidy(snapshot->auction, sizeof snapshot->auction);
    assert(read && !memcmp(snapshot, &again, sizeof again));
    bson_destroy(&document);
    bson_destroy(&filter);
    bson_destroy(&unset);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct snapshot snapshot;
    char reason[SNAPSHOT_REASON_BYTES];
    size_t length;
    bson_t document;
    char *bytes = fuzz_rest(&fuzz, &length);
    if (length && bson_init_static(&document, (const uint8_t *)bytes, length)) {
        read_ids(&document);
        if (document_read_snapshot(&document, &snapshot) &&
            !snapshot_check(&snapshot, snapshot.timestamp_ms, reason))
            check_again(&snapshot);
    }
    free(bytes);
    return 0;
}
