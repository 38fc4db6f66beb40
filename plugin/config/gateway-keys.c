/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gateway-keys.h"

#include <string.h>

#include "misspelt.h"

#define MAX_UNIT       255 /* UNIT_NAME_MAX - 1 of systemd, systemd.unit(5) */
#define MAX_USER       256 /* LOGIN_NAME_MAX of Linux, limits.h */
#define MAX_CONNECTION 255 /* bytes; NetworkManager itself sets no limit */

/* The characters of a unit name, systemd.unit(5). */
#define UNIT_CHARS ":_.\\@-" G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS

/* What the parser of one key gets to see. */
typedef struct {
  const char *file;
  const char *key;
  CgUserLookup lookup;
} Place;

typedef gboolean (*KeyParser) (CgGateway *gateway,
                               const Place *place,
                               const char *value,
                               GError **error);

/* wg0.conf: [Gateway] Key: problem 'word'; remedy */
static gboolean
fail (const Place *place, const char *problem, const char *word, const char *remedy, GError **error)
{
  g_autofree char *quoted = cg_quote (word);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: [Gateway] %s: %s %s; %s", place->file,
               place->key, problem, quoted, remedy);
  return FALSE;
}

/* The words of a list, separated by white space or commas. */
static GStrv
split_words (const char *value)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  g_auto (GStrv) parts = g_strsplit_set (value, " \t,", -1);
  for (char **part = parts; *part; part++)
    if (**part)
      g_strv_builder_add (words, *part);
  return g_strv_builder_end (words);
}

static gboolean
parse_choice (const Place *place,
              const char *value,
              const char *const *choices,
              const char *remedy,
              int *choice,
              GError **error)
{
  for (int i = 0; choices[i]; i++)
    if (g_str_equal (value, choices[i])) {
      *choice = i;
      return TRUE;
    }
  return fail (place, "no such choice", value, remedy, error);
}

static gboolean
parse_interface (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  if (g_str_equal (value, "lo"))
    return fail (place, "loopback is not a tunnel:", value, "name the tunnel's interface", error);
  if (!cg_interface_name_valid (value))
    return fail (place, "not an interface name:", value,
                 "give 1 to 15 characters, none of them white space or one of / : \" \\ *, and not "
                 "'all' or 'default'",
                 error);
  gateway->interface = g_strdup (value);
  return TRUE;
}

static gboolean
parse_connection (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  if (!*value || strlen (value) > MAX_CONNECTION || !g_utf8_validate (value, -1, NULL))
    return fail (place, "not a connection:", value,
                 "give the id or UUID that 'nmcli connection show' lists", error);
  for (const char *c = value; *c; c++)
    if (g_ascii_iscntrl (*c))
      return fail (place, "control character in", value,
                   "give the id or UUID that 'nmcli connection show' lists", error);
  gateway->connection = g_strdup (value);
  return TRUE;
}

static gboolean
unit_name_valid (const char *unit)
{
  const char *dot = strrchr (unit, '.');
  return strlen (unit) <= MAX_UNIT && dot && dot > unit && dot[1] && unit[0] != '@' &&
         unit[0] != '-' && strspn (unit, UNIT_CHARS) == strlen (unit);
}

static gboolean
is_template (const char *unit)
{
  const char *at = strchr (unit, '@');
  return at && at[1] == '.' && at + 1 == strrchr (unit, '.');
}

static gboolean
parse_interface_unit (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  if (!unit_name_valid (value))
    return fail (place, "not a unit name:", value, "give a unit such as wg-quick@wg0.service",
                 error);
  if (is_template (value))
    return fail (place, "a template without an instance:", value,
                 "name the instance, such as wg-quick@wg0.service", error);
  gateway->interface_unit = g_strdup (value);
  return TRUE;
}

static gboolean
parse_services (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  g_auto (GStrv) words = split_words (value);
  g_autoptr (GStrvBuilder) services = g_strv_builder_new ();
  for (char **word = words; *word; word++) {
    /* as systemctl(1) does it: a name without a suffix is a service */
    g_autofree char *unit =
        strchr (*word, '.') ? g_strdup (*word) : g_strconcat (*word, ".service", NULL);
    if (!unit_name_valid (unit) || !g_str_has_suffix (unit, ".service"))
      return fail (place, "not a service:", *word, "give units such as bitcoind.service", error);
    if (is_template (unit))
      return fail (place, "a template without an instance:", *word,
                   "name the instance, such as name@instance.service", error);
    g_strv_builder_add (services, unit);
  }
  g_strfreev (gateway->services);
  gateway->services = g_strv_builder_end (services);
  return TRUE;
}

static gboolean
parse_uid (const char *word, guint32 *uid)
{
  guint64 number;
  if (!g_ascii_string_to_unsigned (word, 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *uid = (guint32) number;
  return TRUE;
}

static gboolean
is_uid_range (const char *word)
{
  return strspn (word, "0123456789-") == strlen (word);
}

static gboolean
parse_user (CgGateway *gateway, const Place *place, const char *word, GError **error)
{
  CgUidRange range;
  if (is_uid_range (word)) {
    g_auto (GStrv) ends = g_strsplit (word, "-", 2);
    if (!parse_uid (ends[0], &range.first) || !parse_uid (ends[1] ? ends[1] : ends[0], &range.last))
      return fail (place, "not a uid or a range of uids:", word, "write 1500 or 2000-2010", error);
    if (range.first > range.last)
      return fail (place, "range runs backwards:", word, "put the lower uid first", error);
  } else {
    g_autoptr (GError) why = NULL;
    if (strlen (word) > MAX_USER)
      return fail (place, "user name too long:", word, "256 bytes are the limit", error);
    /* the generator, which knows no users, must see this too */
    if (g_str_has_suffix (word, ".service"))
      return fail (place, "a service is no user:", word, "name it in Services=", error);
    if (!place->lookup (word, &range.first, &why))
      return fail (place, why->message, word, "create the user, or remove it from this line",
                   error);
    range.last = range.first;
  }
  if (range.first == CG_UID_ROOT)
    return fail (place, "this is root, uid 0:", word,
                 "the tunnel's own packets are root's; run what is to be confined as a user of its "
                 "own",
                 error);
  if (range.last == CG_UID_INVALID)
    return fail (place, "4294967295 is no uid:", word, "the highest uid is 4294967294", error);
  g_array_append_val (gateway->uids, range);
  return TRUE;
}

static gboolean
parse_users (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  g_auto (GStrv) words = split_words (value);
  for (char **word = words; *word; word++)
    if (!parse_user (gateway, place, *word, error))
      return FALSE;
  cg_uids_normalise (gateway->uids);
  return TRUE;
}

static gboolean
parse_dns (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  g_auto (GStrv) words = split_words (value);
  gboolean alone = words[0] && !words[1];
  if (!words[0] || (alone && g_str_equal (words[0], "none")))
    return TRUE;
  if (alone && g_str_equal (words[0], "auto")) {
    gateway->dns_mode = CG_DNS_AUTO;
    return TRUE;
  }
  for (char **word = words; *word; word++) {
    CgPrefix server;
    if (strchr (*word, '/') || !cg_prefix_parse (*word, &server) ||
        cg_prefix_is_unspecified (&server))
      return fail (place, "not the address of a server:", *word,
                   "give IPv4 or IPv6 addresses, or 'auto' or 'none' alone", error);
    g_array_append_val (gateway->dns, server);
  }
  gateway->dns_mode = CG_DNS_SERVERS;
  return TRUE;
}

static int
by_prefix (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (CgPrefix));
}

static gboolean
parse_bypass (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  g_auto (GStrv) words = split_words (value);
  for (char **word = words; *word; word++) {
    CgPrefix prefix;
    if (!cg_prefix_parse (*word, &prefix))
      return fail (place, "not a network:", *word, "write 192.168.1.0/24 or fd00::/8", error);
    if (prefix.length == 0)
      return fail (place, "this is every destination:", *word,
                   "a bypass of prefix length 0 would confine nothing", error);
    if (cg_prefix_has_host_bits (&prefix)) {
      CgPrefix masked = cg_prefix_masked (&prefix);
      g_autofree char *meant = cg_prefix_to_string (&masked);
      g_autofree char *remedy = g_strdup_printf ("did you mean %s?", meant);
      return fail (place, "bits are set behind the prefix length:", *word, remedy, error);
    }
    g_array_append_val (gateway->bypass, prefix);
  }
  g_array_sort (gateway->bypass, by_prefix);
  for (guint i = gateway->bypass->len; i-- > 1;)
    if (cg_prefix_equal (&g_array_index (gateway->bypass, CgPrefix, i),
                         &g_array_index (gateway->bypass, CgPrefix, i - 1)))
      g_array_remove_index (gateway->bypass, i);
  return TRUE;
}

static gboolean
parse_ipv6 (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  static const char *const choices[] = {"auto", "block", "route", NULL}; /* as in CgIPv6 */
  int choice;
  if (!parse_choice (place, value, choices, "choose auto, block or route", &choice, error))
    return FALSE;
  gateway->ipv6 = choice;
  return TRUE;
}

static gboolean
parse_on_down (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  static const char *const choices[] = {"stop", "block", "release", NULL}; /* as in CgOnDown */
  int choice;
  if (!parse_choice (place, value, choices, "choose stop, block or release", &choice, error))
    return FALSE;
  gateway->on_down = choice;
  return TRUE;
}

static gboolean
parse_reverse_path (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  static const char *const choices[] = {"loose", "keep", NULL}; /* as in CgReversePath */
  int choice;
  if (!parse_choice (place, value, choices, "choose loose or keep", &choice, error))
    return FALSE;
  gateway->reverse_path = choice;
  return TRUE;
}

static gboolean
parse_guard (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  static const char *const choices[] = {"no",  "yes", "required", "false", "true",
                                        "off", "on",  "0",        "1",     NULL};
  static const CgGuard meaning[] = {CG_GUARD_NO,  CG_GUARD_YES, CG_GUARD_REQUIRED,
                                    CG_GUARD_NO,  CG_GUARD_YES, CG_GUARD_NO,
                                    CG_GUARD_YES, CG_GUARD_NO,  CG_GUARD_YES};
  int choice;
  if (!parse_choice (place, value, choices, "choose yes, no or required", &choice, error))
    return FALSE;
  gateway->guard = meaning[choice];
  return TRUE;
}

static gboolean
parse_table (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  guint64 table;
  if (g_str_equal (value, "auto"))
    return TRUE;
  if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32, &table, NULL))
    return fail (place, "not a table:", value, "give auto, or a number from 1 to 4294967295",
                 error);
  if (table == 0 || (table >= CG_TABLE_RESERVED_FIRST && table <= CG_TABLE_RESERVED_LAST))
    return fail (place, "this table is reserved:", value,
                 "choose another: 0 and 253-255 are the system's own", error);
  gateway->table = (guint32) table;
  return TRUE;
}

static gboolean
parse_priority (CgGateway *gateway, const Place *place, const char *value, GError **error)
{
  guint64 priority;
  if (!g_ascii_string_to_unsigned (value, 10, CG_PRIORITY_MIN, CG_PRIORITY_MAX, &priority, NULL))
    return fail (place, "not a priority for our rules:", value,
                 "give a number from 1 to 32765; 500 is the default", error);
  gateway->priority = (guint32) priority;
  return TRUE;
}

static const struct {
  const char *key;
  KeyParser parse;
} keys[] = {
    {"Interface", parse_interface},
    {"Connection", parse_connection},
    {"InterfaceUnit", parse_interface_unit},
    {"Services", parse_services},
    {"Users", parse_users},
    {"DNS", parse_dns},
    {"IPv6", parse_ipv6},
    {"Bypass", parse_bypass},
    {"OnDown", parse_on_down},
    {"ReversePathFilter", parse_reverse_path},
    {"Guard", parse_guard},
    {"Table", parse_table},
    {"Priority", parse_priority},
};

const char *
cg_gateway_key_meant (const char *word)
{
  static const struct {
    const char *word, *key;
  } others[] = {{"Unit", "Services"}, {"Units", "Services"}, {"Uid", "Users"}, {"Uids", "Users"}};
  const char *known[G_N_ELEMENTS (keys) + 1] = {NULL};
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (g_ascii_strcasecmp (others[i].word, word) == 0)
      return others[i].key;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    known[i] = keys[i].key;
  return cg_misspelt (word, known);
}

static gboolean
unknown_key (const char *file, const char *key, GError **error)
{
  g_autofree char *quoted = cg_quote (key);
  g_autoptr (GString) remedy = g_string_new ("the keys are");
  const char *meant = cg_gateway_key_meant (key);
  if (meant)
    g_string_printf (
        remedy, g_ascii_strcasecmp (meant, key) == 0 ? "write %s=" : "did you mean %s=?", meant);
  for (guint i = 0; !meant && i < G_N_ELEMENTS (keys); i++)
    g_string_append_printf (remedy, " %s", keys[i].key);
  g_set_error (error, CG_ERROR, CG_ERROR_CONFIG, "%s: [Gateway] unknown key %s; %s", file, quoted,
               remedy->str);
  return FALSE;
}

gboolean
cg_gateway_set_key (CgGateway *gateway,
                    const char *file,
                    const char *key,
                    const char *value,
                    CgUserLookup lookup,
                    GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].key, key)) {
      const Place place = {.file = file, .key = key, .lookup = lookup};
      gboolean free_text = keys[i].parse == parse_connection;
      /* habits from other formats */
      if (!free_text && (*value == '"' || *value == '\''))
        return fail (&place, "quotes are taken as part of the value:", value, "leave them out",
                     error);
      if (!free_text && (strstr (value, " #") || strstr (value, "\t#")))
        return fail (&place, "a comment needs a line of its own:", value, "move it there", error);
      return keys[i].parse (gateway, &place, value, error);
    }
  return unknown_key (file, key, error);
}
