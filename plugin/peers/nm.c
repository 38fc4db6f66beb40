/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nm.h"

void
cg_nm_connection_free (CgNmConnection *connection)
{
  g_free (connection->id);
  g_free (connection->uuid);
  g_free (connection->interface);
  g_free (connection->refused);
  g_strfreev (connection->servers);
  g_free (connection);
}

void
cg_nm_profile_free (CgNmProfile *profile)
{
  g_free (profile->id);
  g_free (profile->uuid);
  g_free (profile->refused);
  g_free (profile->interface);
  g_hash_table_unref (profile->data);
  g_free (profile);
}
