/* An address, and a list of networks. What the system reads is read; what is read, written by
 * the system, reads the same; a list of one address holds that one. Input: a text. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#include "fuzz.h"

static bool
is_read_by_system(const char *text)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct address address, again, group;
    char written[INET6_ADDRSTRLEN];
    char *text = fuzz_text(&fuzz);
    bool read = address_read(text, strlen(text), &address);
    struct networks *networks = networks_read(text);
    assert(read || !is_read_by_system(text));
    if (read) {
        inet_ntop(AF_INET6, address.bytes, written, sizeof written);
        bool same = address_read(written, strlen(written), &again);
        assert(same && !memcmp(&again, &address, sizeof again));
        group = address_group(&address);
        again = address_group(&group);
        assert(!memcmp(&again, &group, sizeof again));
    }
    if (read && networks)
        assert(networks_hold(networks, &address));
    networks_destroy(&networks);
    free(text);
    return 0;
}
