/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One input, as libFuzzer wants it. What must not happen ends the program. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
