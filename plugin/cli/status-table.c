/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status-table.h"

#include <stdio.h>
#include <unistd.h>

/* A table must not run over the screen; --json has all of them. */
#define MAX_SHOWN_RANGES 4

/* Nor a line, which may hold all of a guard; "reapply --dry-run" prints it all. */
#define MAX_SHOWN_LINE 160

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

static gboolean
use_colour (void)
{
  const char *term = g_getenv ("TERM");
  return isatty (STDOUT_FILENO) && !g_getenv ("NO_COLOR") && term && !g_str_equal (term, "dumb");
}

static char *
uids_text (const GArray *uids)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < MIN (uids->len, MAX_SHOWN_RANGES); i++) {
    g_autofree char *range = cg_uid_range_to_string (g_array_index (uids, CgUidRange, i));
    g_string_append_printf (text, "%s%s", i ? " " : "", range);
  }
  if (uids->len > MAX_SHOWN_RANGES)
    g_string_append_printf (text, " ... (%" G_GUINT64_FORMAT " uids)", cg_uids_count (uids));
  return g_strdup (text->str);
}

static char *
dns_text (const CgGatewayStatus *status)
{
  const GArray *servers = status->tunnel->gateway->dns;
  if (!cg_status_has_own_dns (status))
    return g_strdup ("system");
  if (servers->len == 0)
    return g_strdup ("nowhere");
  g_autofree char *first = cg_prefix_to_address (&g_array_index (servers, CgPrefix, 0));
  return g_strconcat (first, servers->len > 1 ? " ..." : "", NULL);
}

static char *
state_text (const CgFamilyStatus *status)
{
  if (!status->is_partial && status->is == status->should)
    return g_strdup (cg_status_word (status));
  return g_strdup_printf ("%s, not %s", cg_status_word (status), cg_state_name (status->should));
}

static const char *
state_colour (const CgFamilyStatus *status)
{
  if (status->is_partial || status->is != status->should)
    return RED;
  return status->is == CG_STATE_UP ? GREEN : YELLOW;
}

#define N_COLUMNS 8

typedef struct {
  char *text[N_COLUMNS];
  const char *colour[N_COLUMNS]; /* NULL for none */
} Row;

static void
row_free (Row *row)
{
  for (guint i = 0; i < N_COLUMNS; i++)
    g_free (row->text[i]);
  g_free (row);
}

static Row *
heading (gboolean colour)
{
  static const char *const titles[N_COLUMNS] = {"GATEWAY", "INTERFACE", "TABLE", "IPV4",
                                                "IPV6",    "GUARD",     "DNS",   "CONFINED UIDS"};
  Row *row = g_new0 (Row, 1);
  for (guint i = 0; i < N_COLUMNS; i++) {
    row->text[i] = g_strdup (titles[i]);
    row->colour[i] = colour ? BOLD : NULL;
  }
  return row;
}

static Row *
gateway_row (const CgGatewayStatus *status, gboolean colour)
{
  const CgTunnel *tunnel = status->tunnel;
  Row *row = g_new0 (Row, 1);
  row->text[0] = g_strdup (tunnel->gateway->name);
  row->text[1] = g_strdup (tunnel->gateway->interface ? tunnel->gateway->interface : "-");
  row->text[2] = g_strdup_printf ("%u", tunnel->table);
  for (guint i = 0; i < CG_N_FAMILIES; i++) {
    row->text[3 + i] = state_text (&status->family[i]);
    row->colour[3 + i] = colour ? state_colour (&status->family[i]) : NULL;
  }
  row->text[5] = status->guard == CG_GUARD_FORM_BPF
                     ? g_strdup_printf ("bpf, %" G_GUINT64_FORMAT " dropped", status->dropped)
                     : g_strdup (cg_status_guard_word (status));
  row->text[6] = dns_text (status);
  row->text[7] = uids_text (tunnel->gateway->uids);
  return row;
}

#define N_SERVICE_COLUMNS 6 /* of which the first N_COLUMNS of a row have room */

static Row *
service_heading (gboolean colour)
{
  static const char *const titles[N_SERVICE_COLUMNS] = {"SERVICE", "GATEWAY", "USER",
                                                        "UID",     "BOUND",   "STATE"};
  Row *row = g_new0 (Row, 1);
  for (guint i = 0; i < N_SERVICE_COLUMNS; i++) {
    row->text[i] = g_strdup (titles[i]);
    row->colour[i] = colour ? BOLD : NULL;
  }
  return row;
}

static Row *
service_row (const CgGateway *gateway, const CgServiceFact *fact, gboolean colour)
{
  Row *row = g_new0 (Row, 1);
  gboolean has_user = fact->user && *fact->user;
  row->text[0] = g_strdup (fact->name);
  row->text[1] = g_strdup (gateway->name);
  row->text[2] =
      g_strdup_printf ("%s%s", has_user ? fact->user : "root", fact->dynamic ? " (dynamic)" : "");
  row->text[3] = fact->uid == CG_UID_INVALID ? g_strdup ("-") : g_strdup_printf ("%u", fact->uid);
  row->text[4] = g_strdup (fact->bound ? "yes" : "no");
  row->colour[4] = colour ? (fact->bound ? GREEN : RED) : NULL;
  row->text[5] = g_strdup (cg_service_is_loaded (fact) ? fact->active_state : fact->load_state);
  return row;
}

/* Each column as wide as its widest text. Colours take no room, so the padding is ours, not
 * printf's. */
/* Before anything is measured or shown: names of interfaces may have any bytes, and what others say
 * may be missing. */
static void
make_printable (Row *row, guint n_columns)
{
  for (guint i = 0; i < n_columns; i++) {
    g_autofree char *raw = row->text[i];
    row->text[i] = cg_printable (raw ? raw : "-");
  }
}

static void
print_rows (const GPtrArray *rows, guint n_columns)
{
  glong width[N_COLUMNS] = {0};
  for (guint i = 0; i < rows->len; i++)
    make_printable (rows->pdata[i], n_columns);
  for (guint i = 0; i < rows->len; i++)
    for (guint j = 0; j < n_columns; j++)
      width[j] = MAX (width[j], g_utf8_strlen (((const Row *) rows->pdata[i])->text[j], -1));
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = rows->pdata[i];
    for (guint j = 0; j < n_columns; j++) {
      int padding = j + 1 < n_columns ? (int) (width[j] - g_utf8_strlen (row->text[j], -1)) + 2 : 0;
      printf ("%s%s%s%*s", row->colour[j] ? row->colour[j] : "", row->text[j],
              row->colour[j] ? PLAIN : "", padding, "");
    }
    putchar ('\n');
  }
}

static void
print_lines (const char *title, const GPtrArray *lines, const char *colour)
{
  if (lines->len == 0)
    return;
  printf ("\n%s%s%s\n", colour ? colour : "", title, colour ? PLAIN : "");
  for (guint i = 0; i < lines->len; i++) {
    g_autofree char *line = cg_printable (lines->pdata[i]);
    gboolean is_long = g_utf8_strlen (line, -1) > MAX_SHOWN_LINE;
    g_autofree char *start = is_long ? g_utf8_substring (line, 0, MAX_SHOWN_LINE) : g_strdup (line);
    printf ("  %s%s\n", start, is_long ? " ..." : "");
  }
}

static void
print_services (const CgStatus *status, gboolean colour)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) row_free);
  g_ptr_array_add (rows, service_heading (colour));
  for (guint i = 0; i < status->gateways->len; i++) {
    const CgGatewayStatus *one = status->gateways->pdata[i];
    const CgGateway *gateway = one->tunnel->gateway;
    for (guint j = 0; j < gateway->found->len; j++)
      g_ptr_array_add (rows, service_row (gateway, gateway->found->pdata[j], colour));
  }
  if (rows->len == 1)
    return;
  putchar ('\n');
  print_rows (rows, N_SERVICE_COLUMNS);
}

static gboolean
has_standing (const CgStatus *status)
{
  for (guint i = 0; i < status->bad->len; i++)
    if (g_array_index (status->bad, CgBadStatus, i).state == CG_BAD_STANDING)
      return TRUE;
  return FALSE;
}

/* Why, is said with the other errors. */
static void
print_bad (const CgStatus *status, gboolean colour)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < status->bad->len; i++)
    g_ptr_array_add (lines, cg_status_bad_text (&g_array_index (status->bad, CgBadStatus, i)));
  print_lines ("Bad files:", lines, colour ? RED : NULL);
}

void
cg_status_print (const CgStatus *status, const GPtrArray *warnings)
{
  gboolean colour = use_colour ();
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) row_free);
  g_ptr_array_add (rows, heading (colour));
  for (guint i = 0; i < status->gateways->len; i++)
    g_ptr_array_add (rows, gateway_row (status->gateways->pdata[i], colour));
  if (status->gateways->len == 0 && !has_standing (status))
    puts ("no gateway is in force");
  else if (status->gateways->len > 0)
    print_rows (rows, N_COLUMNS);
  print_bad (status, colour);
  print_services (status, colour);
  for (guint i = 0; i < status->gateways->len; i++) {
    const CgGatewayStatus *gateway = status->gateways->pdata[i];
    g_autofree char *title = g_strdup_printf (
        "%s differs; 'custom-gateway reapply %s' would do:", gateway->tunnel->gateway->name,
        gateway->tunnel->gateway->name);
    print_lines (title, gateway->differences, colour ? RED : NULL);
  }
  print_lines ("Left over, no gateway needs it; 'custom-gateway reapply' would do:",
               status->differences, colour ? RED : NULL);
  print_lines ("Warnings:", warnings, colour ? YELLOW : NULL);
}
