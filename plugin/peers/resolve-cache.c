/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolve-cache.h"

#include <glib/gstdio.h>

#include "link-dns.h"
#include "state-file.h"

#define MARK "answers" /* holds the number of those that count */

#define ENTRY "(saysba(uu))" /* of one gateway */

/* Whether anybody but the kernel and the user database has to be asked. */
static gboolean
is_for_others (const CgGateway *gateway)
{
  return gateway->services[0] || gateway->connection || gateway->dns_mode == CG_DNS_AUTO;
}

static gboolean
leaves_something_to_others (const CgConfig *config)
{
  for (guint i = 0; i < config->gateways->len; i++)
    if (is_for_others (config->gateways->pdata[i]))
      return TRUE;
  return FALSE;
}

/* What the answers say of the gateway, or NULL. */
static GVariant *
find_entry (GVariant *answers, const char *name)
{
  g_autoptr (GVariant) entries = g_variant_get_child_value (answers, 1);
  for (gsize i = 0; i < g_variant_n_children (entries); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
    const char *found;
    g_variant_get_child (entry, 0, "&s", &found);
    if (g_str_equal (found, name))
      return g_steal_pointer (&entry);
  }
  return NULL;
}

static char *
servers_text (const GArray *servers)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < servers->len; i++) {
    g_autofree char *server = cg_prefix_to_address (&g_array_index (servers, CgPrefix, i));
    g_string_append_printf (text, "%s ", server);
  }
  return g_strdup (text->str);
}

static GVariant *
entry_new (const CgGateway *gateway)
{
  g_autofree char *servers = servers_text (gateway->dns);
  GVariantBuilder uids;
  g_variant_builder_init (&uids, G_VARIANT_TYPE ("a(uu)"));
  for (guint i = 0; i < gateway->uids->len; i++) {
    CgUidRange range = g_array_index (gateway->uids, CgUidRange, i);
    g_variant_builder_add (&uids, "(uu)", range.first, range.last);
  }
  return g_variant_new ("(s^aysba(uu))", gateway->name,
                        gateway->interface ? gateway->interface : "", servers,
                        gateway->on_down == CG_ON_DOWN_RELEASE, &uids);
}

GVariant *
cg_resolve_cache_none (void)
{
  return g_variant_new (CG_RESOLVE_CACHE, (gint64) 0, NULL);
}

GVariant *
cg_resolve_cache_new (const CgConfig *config, GVariant *before)
{
  if (!leaves_something_to_others (config))
    return cg_resolve_cache_none ();
  GVariantBuilder entries;
  g_variant_builder_init (&entries, G_VARIANT_TYPE ("a" ENTRY));
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    gboolean silent = gateway->services[0] && !gateway->unit;
    g_autoptr (GVariant) then = silent && before ? find_entry (before, gateway->name) : NULL;
    if (then)
      g_variant_builder_add_value (&entries, then);
    else if (!silent && !gateway->stopped)
      g_variant_builder_add_value (&entries, entry_new (gateway));
  }
  return g_variant_new ("(xa" ENTRY ")", g_get_monotonic_time (), &entries);
}

/* FALSE if one of the ranges could stand in no configuration. */
static gboolean
recall_uids (GVariant *entry, GArray *uids)
{
  g_autoptr (GVariantIter) ranges = NULL;
  CgUidRange range;
  g_variant_get_child (entry, 4, "a(uu)", &ranges);
  while (g_variant_iter_next (ranges, "(uu)", &range.first, &range.last)) {
    if (range.first == CG_UID_ROOT || range.first > range.last || range.last == CG_UID_INVALID)
      return FALSE;
    g_array_append_val (uids, range);
  }
  cg_uids_normalise (uids);
  return TRUE;
}

static gboolean
recall_interface (GVariant *entry, CgGateway *gateway)
{
  g_autofree char *name = NULL;
  if (!gateway->connection)
    return TRUE; /* its file names it */
  g_variant_get_child (entry, 1, "^ay", &name);
  if (!*name)
    return TRUE;
  if (!cg_interface_name_valid (name))
    return FALSE;
  gateway->interface = g_steal_pointer (&name);
  return TRUE;
}

static gboolean
recall_gateway (GVariant *entry, CgGateway *gateway)
{
  const char *servers;
  gboolean releases;
  g_variant_get_child (entry, 2, "&s", &servers);
  g_variant_get_child (entry, 3, "b", &releases);
  if (gateway->dns_mode == CG_DNS_AUTO)
    cg_link_dns_add (gateway->dns, servers);
  if (gateway->on_down == CG_ON_DOWN_RELEASE && !releases)
    gateway->on_down = CG_ON_DOWN_BLOCK;
  return recall_interface (entry, gateway) && recall_uids (entry, gateway->uids);
}

/* Whether an earlier gateway of the config has one of its uids. */
static gboolean
is_in_conflict (const CgConfig *config, guint number)
{
  const CgGateway *gateway = config->gateways->pdata[number];
  for (guint i = 0; i < number; i++) {
    const CgGateway *other = config->gateways->pdata[i];
    if (cg_uids_overlap (gateway->uids, other->uids, NULL))
      return TRUE;
  }
  return FALSE;
}

GPtrArray *
cg_resolve_cache_recall (GVariant *answers, CgConfig *config)
{
  GPtrArray *unknown = g_ptr_array_new ();
  config->incomplete = TRUE;
  for (guint i = 0; i < config->gateways->len; i++) {
    CgGateway *gateway = config->gateways->pdata[i];
    g_autoptr (GVariant) entry = find_entry (answers, gateway->name);
    g_array_set_size (gateway->uids, 0); /* all of them are in the answer */
    if (entry && recall_gateway (entry, gateway) && !is_in_conflict (config, i))
      continue;
    g_array_set_size (gateway->uids, 0);
    g_ptr_array_add (unknown, gateway->name);
  }
  g_ptr_array_add (unknown, NULL);
  return unknown;
}

static char *
mark_path (const char *runtime_dir)
{
  return g_build_filename (runtime_dir, MARK, NULL);
}

static char *
number_text (GVariant *answers)
{
  gint64 number;
  g_variant_get_child (answers, 0, "x", &number);
  return g_strdup_printf ("%" G_GINT64_FORMAT "\n", number);
}

void
cg_resolve_cache_vouch (GVariant *answers, const char *runtime_dir)
{
  g_autofree char *path = mark_path (runtime_dir);
  g_autofree char *text = number_text (answers);
  g_autoptr (GVariant) entries = g_variant_get_child_value (answers, 1);
  /* a mark that cannot be written costs time and nothing else */
  if (g_variant_n_children (entries) > 0)
    (void) cg_state_write (path, text, -1, NULL);
}

void
cg_resolve_cache_outdate (const char *runtime_dir)
{
  g_autofree char *path = mark_path (runtime_dir);
  (void) g_unlink (path);
}

gboolean
cg_resolve_cache_count (GVariant *answers, const char *runtime_dir)
{
  g_autoptr (GVariant) entries = g_variant_get_child_value (answers, 1);
  if (g_variant_n_children (entries) == 0)
    return FALSE;
  g_autofree char *path = mark_path (runtime_dir);
  g_autofree char *text = number_text (answers);
  g_autofree char *found = cg_state_read (path);
  return g_strcmp0 (found, text) == 0;
}
