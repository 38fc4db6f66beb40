/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "previous-addresses.h"

#include <glib/gstdio.h>

#include "state-file.h"

/* Nobody gives a tunnel more; each is a comparison for each packet. */
#define MAX_ADDRESSES 64

static char *
path_of (const char *runtime_dir, const char *gateway)
{
  return g_build_filename (runtime_dir, "addresses", gateway, NULL);
}

void
cg_previous_addresses_load (const char *runtime_dir, const char *gateway, GArray *addresses)
{
  g_autofree char *path = path_of (runtime_dir, gateway);
  g_autofree char *text = cg_state_read (path);
  if (!text)
    return;
  g_auto (GStrv) lines = g_strsplit (text, "\n", MAX_ADDRESSES + 1);
  for (guint i = 0; i < MAX_ADDRESSES && lines[i]; i++) {
    CgPrefix address;
    if (cg_prefix_parse (lines[i], &address) &&
        address.length == 8 * cg_family_bytes (address.family))
      g_array_append_val (addresses, address);
  }
}

void
cg_previous_addresses_save (const char *runtime_dir, const char *gateway, const GArray *addresses)
{
  g_autofree char *path = path_of (runtime_dir, gateway);
  g_autofree char *before = cg_state_read (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < MIN (addresses->len, MAX_ADDRESSES); i++) {
    g_autofree char *address = cg_prefix_to_address (&g_array_index (addresses, CgPrefix, i));
    g_string_append_printf (text, "%s\n", address);
  }
  if (g_strcmp0 (before, text->str) != 0 && !cg_state_write (path, text->str, -1, &error))
    g_warning ("%s: when the tunnel goes its addresses will not be known, nor be held: %s", gateway,
               error->message);
}

void
cg_previous_addresses_forget (const char *runtime_dir, const char *gateway)
{
  g_autofree char *path = path_of (runtime_dir, gateway);
  g_unlink (path);
}
