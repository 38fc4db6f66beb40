/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-copy.h"

#include "last-good.h"

static CgGateway *
parse (const char *name, GVariant *text, GVariant *uids, CgUserLookup lookup, GError **error)
{
  g_autoptr (GArray) known = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  GVariantIter iter;
  CgUidRange range;
  g_variant_iter_init (&iter, uids);
  while (g_variant_iter_next (&iter, "(uu)", &range.first, &range.last))
    g_array_append_val (known, range);
  gsize size;
  const char *bytes = g_variant_get_fixed_array (text, &size, 1);
  return cg_last_good_parse (name, bytes, size, known, lookup, error);
}

CgConfig *
cg_config_copy_load (GVariant *config_copy, const char *directory, CgUserLookup lookup)
{
  CgConfig *config = cg_config_new ();
  if (cg_config_check_trust (directory, NULL))
    config->directory = g_strdup (directory);
  else
    config->incomplete = TRUE;
  GVariantIter iter;
  const char *name, *why;
  GVariant *text, *uids;
  g_variant_iter_init (&iter, config_copy);
  while (g_variant_iter_loop (&iter, "(&s@aym&s@a(uu))", &name, &text, &why, &uids)) {
    g_autoptr (GError) error = NULL;
    gboolean was_good = g_variant_n_children (text) > 0;
    CgGateway *gateway = was_good ? parse (name, text, uids, lookup, &error) : NULL;
    if (gateway)
      cg_config_add (config, gateway);
    else if (was_good)
      cg_config_add_bad (config, name, g_steal_pointer (&error));
    if (why)
      cg_config_add_bad (config, name, g_error_new_literal (CG_ERROR, CG_ERROR_CONFIG, why));
  }
  return config;
}

/* The copy's gateway of that name, or NULL. */
static CgGateway *
take_from (GVariant *config_copy, const char *wanted, CgUserLookup lookup)
{
  for (gsize i = 0; i < g_variant_n_children (config_copy); i++) {
    g_autoptr (GVariant) text = NULL, uids = NULL;
    g_autofree char *name = NULL, *why = NULL;
    g_variant_get_child (config_copy, i, "(s@ayms@a(uu))", &name, &text, &why, &uids);
    if (g_str_equal (name, wanted) && g_variant_n_children (text) > 0)
      return parse (name, text, uids, lookup, NULL);
  }
  return NULL;
}

CgConfig *
cg_config_copy_reload (GVariant *config_copy,
                       const char *directory,
                       const char *state_dir,
                       CgUserLookup lookup,
                       GError **error)
{
  CgConfig *config = cg_config_load (directory, FALSE, lookup, error);
  guint n_bad =
      config ? config->bad->len : 0; /* one that no longer goes with the others adds one */
  for (guint i = 0; i < n_bad; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    CgGateway *gateway = take_from (config_copy, bad->name, lookup);
    if (!gateway)
      gateway = cg_last_good_find (state_dir, bad->name, lookup);
    if (gateway)
      cg_config_add (config, gateway);
  }
  return config;
}

/* A file may have any bytes in its name, and a GVariant has none but UTF-8. gateway: NULL if there
 * never was a good one. */
static GVariant *
entry_new (const CgConfig *config, const char *name, const CgGateway *gateway)
{
  gsize size = 0;
  gconstpointer bytes = gateway ? g_bytes_get_data (gateway->text, &size) : NULL;
  const GError *bad = cg_config_find_bad (config, name);
  g_autofree char *shown = g_utf8_make_valid (name, -1);
  g_autofree char *why = bad ? g_utf8_make_valid (bad->message, -1) : NULL;
  GVariantBuilder uids;
  g_variant_builder_init (&uids, G_VARIANT_TYPE ("a(uu)"));
  for (guint i = 0; gateway && i < gateway->uids->len; i++) {
    CgUidRange range = g_array_index (gateway->uids, CgUidRange, i);
    g_variant_builder_add (&uids, "(uu)", range.first, range.last);
  }
  return g_variant_new ("(s@aymsa(uu))", shown,
                        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1), why,
                        &uids);
}

GVariant *
cg_config_copy_new (const CgConfig *config)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE (CG_CONFIG_COPY));
  for (guint i = 0; i < config->gateways->len; i++) {
    const CgGateway *gateway = config->gateways->pdata[i];
    g_variant_builder_add_value (&builder, entry_new (config, gateway->name, gateway));
  }
  for (guint i = 0; i < config->bad->len; i++) {
    const CgBadFile *bad = config->bad->pdata[i];
    gboolean first = cg_config_find_bad (config, bad->name) == bad->error;
    if (first && !cg_config_find (config, bad->name))
      g_variant_builder_add_value (&builder, entry_new (config, bad->name, NULL));
  }
  return g_variant_builder_end (&builder);
}
