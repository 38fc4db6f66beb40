/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* In the place of libbpf's header. */

#include <arpa/inet.h>

#define bpf_htonl htonl
#define bpf_htons htons
#define bpf_ntohs ntohs
