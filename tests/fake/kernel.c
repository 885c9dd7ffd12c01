/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something the image loader accepts, with a relocation. Never run: the fake backend has no processor.
 */
void _start(void);

void (*const entry)(void) = _start;

void _start(void)
{
	for (;;)
		;
}
