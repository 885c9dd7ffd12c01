/* SPDX-License-Identifier: Apache-2.0 */
/* Ends at once: what is left is the cost of the sandbox itself. */
#include "mini.h"

void mini_main(void)
{
}
