/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a VMM and stays with it.
 */
#ifndef UMBRA_RUNTIME_LAUNCH_H
#define UMBRA_RUNTIME_LAUNCH_H

#include "vmm/vmm.h"

/*
 * Runs the sandbox that @spec describes in a process of its own and in new namespaces, passes signals on to it, and
 * waits for its end. Returns the exit status for our own caller; errors have been printed.
 */
int launch(struct vmm_spec *spec);

#endif
