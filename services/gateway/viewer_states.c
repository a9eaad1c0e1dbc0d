/* In: changes of state. Out: lists in the order of deadlines, joins' and leaves' consequences.
 */
#include <stdlib.h>

#include "clock.h"

#include "viewer_socket_inside.h"

#define CLOSE_MS 2000 /* for the viewer's close frame, or its end */

uint32_t
viewer_states_random(struct viewer_socket *viewers)
{
    viewers->random ^= viewers->random << 13;
    viewers->random ^= viewers->random >> 17;
    viewers->random ^= viewers->random << 5;
    return viewers->random;
}

/* Of the state it leaves. */
static void
take_out(struct viewer_socket *viewers, struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_NONE:
        return;
    case CONNECTION_ASKING:
        TAILQ_REMOVE(&viewers->asking, connection, in_list);
        viewers->guests--;
        return;
    case CONNECTION_VIEWING:
        attendance_leave(viewers->attendance, &connection->viewer);
        ping_wheel_remove(viewers->wheel, &connection->ping);
        TAILQ_REMOVE(&viewers->viewing, connection, in_list);
        viewers->viewers--;
        return;
    case CONNECTION_CLOSING:
    case CONNECTION_LINGERING:
        TAILQ_REMOVE(&viewers->leaving, connection, in_list);
        viewers->guests--;
        return;
    }
}

static void
put_among_guests(struct viewer_socket *viewers, struct connection_list *list,
                 struct connection *connection, int64_t time_ms)
{
    connection->deadline_ms = clock_mono_ms() + time_ms;
    TAILQ_INSERT_TAIL(list, connection, in_list);
    viewers->guests++;
}

void
viewer_states_move(struct viewer_socket *viewers, struct connection *connection,
                   enum connection_state state)
{
    take_out(viewers, connection);
    connection->state = state;
    switch (state) {
    case CONNECTION_NONE:
        crowd_leave(viewers->rules.crowd, &connection->member);
        connection_fini(connection);
        return;
    case CONNECTION_ASKING:
        put_among_guests(viewers, &viewers->asking, connection,
                         viewers->options.handshake_timeout_ms);
        return;
    case CONNECTION_VIEWING: /* has joined */
        TAILQ_INSERT_TAIL(&viewers->viewing, connection, in_list);
        ping_wheel_add(viewers->wheel, &connection->ping, viewer_states_random(viewers));
        viewers->viewers++;
        return;
    case CONNECTION_CLOSING:
        put_among_guests(viewers, &viewers->leaving, connection, CLOSE_MS);
        return;
    case CONNECTION_LINGERING:
        free(connection->head);
        connection->head = NULL;
        connection->head_bytes = 0;
        put_among_guests(viewers, &viewers->leaving, connection, CLOSE_MS);
        return;
    }
}

void
viewer_states_forget(struct viewer_socket *viewers, struct connection *connection)
{
    if (connection->state == CONNECTION_NONE)
        return;
    viewer_states_move(viewers, connection, CONNECTION_NONE);
    metrics_set(viewers->metrics, METRIC_ADDRESSES,
                (int64_t)crowd_addresses(viewers->rules.crowd));
}

void
viewer_states_kill(struct viewer_socket *viewers, struct connection *connection)
{
    viewer_states_forget(viewers, connection);
    connection_kill(connection);
}

void
viewer_states_count(struct viewer_socket *viewers, struct connection *connection, bool open)
{
    if (connection->counted == open)
        return;
    connection->counted = open;
    viewers->sockets += open ? 1 : -1;
    metrics_set(viewers->metrics, METRIC_CONNECTIONS, viewers->sockets);
}
