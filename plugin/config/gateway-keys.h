/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "gateway.h"

/* Parses the value of one key of custom-gateway.conf(5) into the gateway. file is for the message.
 * FALSE and a CG_ERROR_CONFIG if there is no such key or the value is not valid for it. */
gboolean cg_gateway_set_key (CgGateway *gateway,
                             const char *file,
                             const char *key,
                             const char *value,
                             CgUserLookup lookup,
                             GError **error);

/* The key of custom-gateway.conf(5) that the word from outside means, perhaps misspelt (see
 * misspelt.h) or as other formats have it: "Users" for "users", "User" and "uids". NULL if it means
 * none. */
const char *cg_gateway_key_meant (const char *word);
