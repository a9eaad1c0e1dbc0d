/* In: frames. Out: what ncurses makes of them. */
#include <ncurses.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <term.h>
#undef lines /* a macro of term.h */
#include <unistd.h>

#include "mem.h"

#include "tap_screen.h"

struct tap_screen {
    SCREEN *terminal; /* ncurses' own */
};

/* Asked first, because newterm() loses memory over a type that it does not know. */
static bool
is_known(void)
{
    int reason;
    if (setupterm(NULL, STDOUT_FILENO, &reason) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}

struct tap_screen *
tap_screen_new(void)
{
    SCREEN *terminal = is_known() ? newterm(NULL, stdout, stdin) : NULL;
    if (!terminal)
        return NULL;
    struct tap_screen *screen = mem_alloc(sizeof *screen);
    screen->terminal = terminal;
    cbreak();
    noecho();
    curs_set(0);
    nodelay(stdscr, true);
    keypad(stdscr, true);
    return screen;
}

void
tap_screen_destroy(struct tap_screen **screen)
{
    if (!*screen)
        return;
    endwin();
    delscreen((*screen)->terminal);
    free(*screen);
    *screen = NULL;
}

void
tap_screen_resize(struct tap_screen *screen)
{
    struct winsize size;
    (void)screen;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
    clearok(stdscr, true);
}

void
tap_screen_size(const struct tap_screen *screen, size_t *width, size_t *height)
{
    (void)screen;
    *width = (size_t)getmaxx(stdscr);
    *height = (size_t)getmaxy(stdscr);
}

void
tap_screen_draw(struct tap_screen *screen, const struct tap_frame_line *lines, size_t count)
{
    static const attr_t looks[] = {A_NORMAL, A_BOLD, A_REVERSE, A_STANDOUT};
    struct pollfd ask = {.fd = STDOUT_FILENO, .events = POLLOUT};
    (void)screen;
    if (poll(&ask, 1, 0) <= 0)
        return;
    erase();
    for (size_t i = 0; i < count; i++) {
        attrset(looks[lines[i].style]);
        mvaddstr((int)i, 0, lines[i].text);
    }
    attrset(A_NORMAL);
    refresh();
}

int
tap_screen_key(struct tap_screen *screen)
{
    (void)screen;
    int key = getch();
    return key == ERR ? 0 : key;
}
