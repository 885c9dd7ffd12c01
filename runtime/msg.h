/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line says to its user: one line per error, what failed and what to do.
 */
#ifndef UMBRA_RUNTIME_MSG_H
#define UMBRA_RUNTIME_MSG_H

/* Prints "umbra: " and the text to stderr, and returns 125, the exit status of umbra's own failures. */
int msg_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints "umbra: warning: " and the text. */
void msg_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
