/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* What a gateway's file names although no parser takes it: any line may be the one with the error,
 * so this reads words, not lines of a format. Pure, and any bytes will do. Comments name nothing:
 * what stands behind a #, and lines that begin with a semicolon. Only so many words count:
 */
#define CG_BAD_WORDS_MAX 65536u

/* The units that must not start before the file is mended: each word that ends in .service, and
 * each word of a key that means Services= (see cg_gateway_key_meant), with the lines that continue
 * it. Not those of Interface=, Connection= and InterfaceUnit=, by which the tunnel itself may come,
 * and none of our own units. Each once; the caller owns the result. */
GStrv cg_bad_services (const char *text, gsize length);

/* The users that must not be free before the file is mended, as ranges of uids, normalised: each
 * word of a key that means Users= and that such a key could have; and the words of a key that means
 * nothing, if they are all users or uids, one of them by name, and none of them below
 * CG_BAD_UID_MIN or the user nobody's: such names are ordinary words, too. Never uid 0, nor a range
 * that holds it. The caller owns the result. */
GArray *cg_bad_uids (const char *text, gsize length, CgUserLookup lookup);

/* The uids of Debian's base system, which every machine has, are below this; and nobody. */
#define CG_BAD_UID_MIN    100u
#define CG_BAD_UID_NOBODY 65534u
