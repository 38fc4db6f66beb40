/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bad-words.h"

#include <string.h>

#include "gateway-keys.h"

#define BLANKS    " \t\r\v\f"
#define SEPARATOR BLANKS ",;\"'"

/* One key of the file, as it is written, and the words that stand behind it. */
typedef struct {
  char *key;         /* "" for what stands behind none */
  const char *meant; /* as cg_gateway_key_meant has it */
  GPtrArray *words;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  g_free (entry->key);
  g_ptr_array_unref (entry->words);
  g_free (entry);
}

/* What the text is read into. */
typedef struct {
  GPtrArray *entries; /* Entry */
  guint n_words;
} Reading;

static Entry *
begin_entry (Reading *reading, const char *key)
{
  Entry *entry = g_new0 (Entry, 1);
  entry->key = g_strdup (key);
  entry->meant = cg_gateway_key_meant (key);
  entry->words = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (reading->entries, entry);
  return entry;
}

static Entry *
last_entry (const Reading *reading)
{
  return reading->entries->pdata[reading->entries->len - 1];
}

/* A backslash at its end continues the line, and is none of the word's. */
static void
take_word (Reading *reading, const char *word, gsize length)
{
  while (length > 0 && word[length - 1] == '\\')
    length--;
  if (length == 0 || reading->n_words++ >= CG_BAD_WORDS_MAX)
    return;
  g_ptr_array_add (last_entry (reading)->words, g_strndup (word, length));
}

static void
take_words (Reading *reading, const char *text)
{
  for (text += strspn (text, SEPARATOR); *text; text += strspn (text, SEPARATOR)) {
    gsize length = strcspn (text, SEPARATOR);
    take_word (reading, text, length);
    text += length;
  }
}

/* The last word in front of an equals sign, and without what other formats have there: "Users:". */
static char *
take_key (Reading *reading, char *before)
{
  g_strchomp (before);
  char *key = before + strlen (before);
  while (key > before && !strchr (SEPARATOR, key[-1]))
    key--;
  g_autofree char *whole = g_strdup (key);
  *key = '\0';
  take_words (reading, before);
  g_strdelimit (whole, ":+?[]", ' ');
  return g_strdup (g_strstrip (whole));
}

/* Whether a word at the beginning of a line without an equals sign is the line's key. Behind a
 * line that goes on, and indented, that is only what confines. */
static gboolean
is_key (const char *word, gboolean goes_on)
{
  const char *meant = cg_gateway_key_meant (word);
  if (!meant)
    return FALSE;
  gboolean confines = g_str_equal (meant, "Services") || g_str_equal (meant, "Users");
  return confines || (!goes_on && g_ascii_strcasecmp (meant, word) == 0);
}

/* A line without an equals sign continues the one before, unless it begins with a key. */
static void
take_line_without_sign (Reading *reading, const char *line, gboolean goes_on)
{
  gboolean indented = *line && strchr (BLANKS, *line);
  const char *start = line + strspn (line, SEPARATOR);
  g_autofree char *first = g_strndup (start, strcspn (start, SEPARATOR ":"));
  if (*first && is_key (first, goes_on || indented)) {
    begin_entry (reading, first);
    start += strlen (first);
    start += strspn (start, ":");
  }
  take_words (reading, start);
}

/* What is no key of ours and stands among words, as in "Services=a=b", is one of them. */
static void
begin_key (Reading *reading, const char *key, gboolean is_first)
{
  gboolean is_word = !is_first && !cg_gateway_key_meant (key);
  if (is_word || g_str_has_suffix (key, ".service"))
    take_words (reading, key);
  if (*key && !is_word)
    begin_entry (reading, key);
}

static void
take_line (Reading *reading, char *line, gboolean goes_on)
{
  char *start = line + strspn (line, BLANKS);
  if (*start == '#' || *start == ';')
    return;
  start[strcspn (start, "#")] = '\0';
  if (*start == '[' && strchr (start, ']'))
    line = strchr (start, ']') + 1;
  char *equals = strchr (line, '=');
  if (!equals) {
    take_line_without_sign (reading, line, goes_on);
    return;
  }
  for (gboolean is_first = TRUE; equals; is_first = FALSE) {
    *equals = '\0';
    g_autofree char *key = take_key (reading, line);
    begin_key (reading, key, is_first);
    line = equals + 1;
    equals = strchr (line, '=');
  }
  take_words (reading, line);
}

/* What looks like a blank or a quotation mark, or like nothing, and comes along with what is copied
 * from elsewhere: U+00A0, U+FEFF, and U+2000 to U+206F. */
static void
blank_out (GString *text)
{
  for (gsize i = 0; i + 1 < text->len; i++) {
    const guchar *c = (const guchar *) text->str + i;
    gsize length = c[0] == 0xc2 && c[1] == 0xa0 ? 2 : 0;
    if ((c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf) || (c[0] == 0xe2 && (c[1] & 0xfe) == 0x80))
      length = MIN (3, text->len - i);
    memset (text->str + i, ' ', length);
  }
}

/* Lines, whatever ends them. A NUL byte ends one too, but for every second byte of UTF-16. */
static GString *
read_lines (const char *text, gsize length)
{
  gboolean is_wide =
      length > 1 && (memcmp (text, "\xff\xfe", 2) == 0 || memcmp (text, "\xfe\xff", 2) == 0);
  GString *lines = g_string_sized_new (length);
  for (gsize i = is_wide ? 2 : 0; i < length; i++)
    if (text[i])
      g_string_append_c (lines, text[i]);
    else if (!is_wide)
      g_string_append_c (lines, '\n');
  blank_out (lines);
  return lines;
}

static GPtrArray *
read_entries (const char *text, gsize length)
{
  g_autoptr (GString) whole = read_lines (text, length);
  g_auto (GStrv) lines = g_strsplit_set (whole->str, "\n\r", -1);
  Reading reading = {.entries = g_ptr_array_new_with_free_func (entry_free)};
  gboolean goes_on = FALSE;
  begin_entry (&reading, "");
  for (char **line = lines; *line && reading.n_words < CG_BAD_WORDS_MAX; line++) {
    g_autofree char *ending = g_strchomp (g_strdup (*line));
    take_line (&reading, *line, goes_on);
    goes_on = g_str_has_suffix (ending, "\\") || g_str_has_suffix (ending, ",");
  }
  return reading.entries;
}

/* One line of a file that has no other error. */
static CgGateway *
parse_alone (const char *key, const char *word, CgUserLookup lookup)
{
  g_autofree char *text = g_strdup_printf ("[Gateway]\nInterface=any\n%s=%s\n", key, word);
  return cg_gateway_parse ("bad", text, strlen (text), lookup, NULL);
}

static gboolean
look_up_none (const char *name, guint32 *uid, GError **error)
{
  (void) name;
  (void) uid;
  g_set_error_literal (error, CG_ERROR, CG_ERROR_CONFIG, "no such user");
  return FALSE;
}

/* What a bad file could cut off from itself: the tunnel's own unit, or that which holds the
 * confined. */
static gboolean
is_ours (const char *unit)
{
  return g_str_has_prefix (unit, "custom-gateway.") || g_str_has_prefix (unit, "custom-gateway@") ||
         g_str_has_prefix (unit, "custom-gateway-");
}

static void
add_services_of (const char *word, GHashTable *seen, GPtrArray *services)
{
  g_autoptr (CgGateway) gateway = parse_alone ("Services", word, look_up_none);
  for (char **unit = gateway ? gateway->services : NULL; unit && *unit; unit++)
    if (!is_ours (*unit) && strpbrk (*unit, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) &&
        g_hash_table_add (seen, g_strdup (*unit)))
      g_ptr_array_add (services, g_strdup (*unit));
}

/* Of words that others put together with more than our separators, as "a|b.service", the parts
 * that can be units. */
static void
add_services (const char *words, gboolean are_named, GHashTable *seen, GPtrArray *services)
{
  static const char unit_chars[] = ":_.\\@-" G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS;
  g_autofree char *parts = g_strcanon (g_strdup (words), unit_chars, ' ');
  g_auto (GStrv) part = g_strsplit (parts, " ", -1);
  for (char **one = part; *one; one++)
    if (**one && (are_named || g_str_has_suffix (*one, ".service")))
      add_services_of (*one, seen, services);
}

static gboolean
means (const Entry *entry, const char *key)
{
  return g_strcmp0 (entry->meant, key) == 0;
}

GStrv
cg_bad_services (const char *text, gsize length)
{
  g_autoptr (GPtrArray) entries = read_entries (text, length);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *services = g_ptr_array_new ();
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = entries->pdata[i];
    gboolean are_named = means (entry, "Services");
    if (means (entry, "Interface") || means (entry, "Connection") || means (entry, "InterfaceUnit"))
      continue;
    for (guint j = 0; j < entry->words->len; j++)
      add_services (entry->words->pdata[j], are_named, seen, services);
  }
  g_ptr_array_add (services, NULL);
  return (GStrv) g_ptr_array_free (services, FALSE);
}

/* The range that the word is to Users=, or FALSE. */
static gboolean
parse_user (const char *word, CgUserLookup lookup, CgUidRange *range)
{
  g_autoptr (CgGateway) gateway = parse_alone ("Users", word, lookup);
  if (!gateway || gateway->uids->len != 1)
    return FALSE;
  *range = g_array_index (gateway->uids, CgUidRange, 0);
  return TRUE;
}

static void
add_users (const Entry *entry, CgUserLookup lookup, GArray *uids)
{
  for (guint i = 0; i < entry->words->len; i++) {
    CgUidRange range;
    if (parse_user (entry->words->pdata[i], lookup, &range))
      g_array_append_val (uids, range);
  }
}

static gboolean
is_everywhere (CgUidRange range)
{
  return range.first < CG_BAD_UID_MIN ||
         (range.first <= CG_BAD_UID_NOBODY && range.last >= CG_BAD_UID_NOBODY);
}

/* Whether a key that we do not know can be meant to confine. */
static gboolean
has_users_alone (const Entry *entry, CgUserLookup lookup)
{
  gboolean has_name = FALSE;
  for (guint i = 0; i < entry->words->len; i++) {
    const char *word = entry->words->pdata[i];
    CgUidRange range;
    if (!parse_user (word, lookup, &range) || is_everywhere (range))
      return FALSE;
    has_name = has_name || strspn (word, G_CSET_DIGITS "-") != strlen (word);
  }
  return has_name;
}

GArray *
cg_bad_uids (const char *text, gsize length, CgUserLookup lookup)
{
  g_autoptr (GPtrArray) entries = read_entries (text, length);
  GArray *uids = g_array_new (FALSE, FALSE, sizeof (CgUidRange));
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = entries->pdata[i];
    gboolean is_unknown = *entry->key && !entry->meant;
    if (means (entry, "Users") || (is_unknown && has_users_alone (entry, lookup)))
      add_users (entry, lookup, uids);
  }
  cg_uids_normalise (uids);
  return uids;
}
