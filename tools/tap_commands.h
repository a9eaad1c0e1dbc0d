/* The tap and its subcommands; tap.c chooses. Each takes its arguments from argv[1] on and
 * returns the status to end with. */
#ifndef TAP_COMMANDS_H
#define TAP_COMMANDS_H

int tap_live(int argc, char **argv);
int tap_record(int argc, char **argv);
int tap_replay(int argc, char **argv);
int tap_top(int argc, char **argv);

#endif
