/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <string.h>

#include "gateway.h"
#include "netlink.h"

#define LIBRARY "libnftables.so.1"

/* What one message says of an object in a table of ours. */
typedef struct {
  char *table;
  GBytes *attributes;
} Object;

static void
object_clear (gpointer object)
{
  g_free (((Object *) object)->table);
  g_bytes_unref (((Object *) object)->attributes);
}

static GArray *
objects_new (void)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (Object));
  g_array_set_clear_func (objects, object_clear);
  return objects;
}

static void
guard_found_clear (gpointer guard)
{
  g_free (((CgGuardFound *) guard)->gateway);
  g_free (((CgGuardFound *) guard)->fingerprint);
}

GArray *
cg_guards_found_new (void)
{
  GArray *guards = g_array_new (FALSE, FALSE, sizeof (CgGuardFound));
  g_array_set_clear_func (guards, guard_found_clear);
  return guards;
}

char *
cg_nft_table_of (const char *gateway)
{
  g_auto (GStrv) parts = g_strsplit (gateway, "@", -1);
  g_autofree char *name = g_strjoinv ("/40", parts);
  return g_strconcat (CG_NFT_PREFIX, name, NULL);
}

static char *
gateway_of (const char *table)
{
  g_auto (GStrv) parts = g_strsplit (table + strlen (CG_NFT_PREFIX), "/40", -1);
  return g_strjoinv ("@", parts);
}

/* Anybody with CAP_NET_ADMIN can make a table whose name only begins like ours; what follows
 * becomes a part of commands and of file names. */
static gboolean
is_ours (const char *table)
{
  g_autofree char *gateway = gateway_of (table);
  g_autofree char *proper = cg_nft_table_of (gateway);
  return cg_gateway_name_valid (gateway) && g_str_equal (proper, table);
}

static gboolean
parse_object (const struct nlmsghdr *message, GArray *objects)
{
  gsize header = NLMSG_HDRLEN + NLMSG_ALIGN (sizeof (struct nfgenmsg));
  if (message->nlmsg_len < header || message->nlmsg_len % NLMSG_ALIGNTO)
    return FALSE;
  const struct nlattr *attribute;
  mnl_attr_for_each (attribute, message, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) != CG_NFT_TABLE)
      continue;
    if (mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) < 0)
      return FALSE;
    if (!g_str_has_prefix (mnl_attr_get_str (attribute), CG_NFT_PREFIX))
      return TRUE;
    Object object = {
        .table = g_strdup (mnl_attr_get_str (attribute)),
        .attributes = g_bytes_new ((const guint8 *) message + header, message->nlmsg_len - header),
    };
    g_array_append_val (objects, object);
    return TRUE;
  }
  return TRUE;
}

/* Dumps objects of the type (NFT_MSG_GET*): of one table if table is not NULL, of one set if set is
 * not NULL. */
static gboolean
dump (CgNetlink *netlink,
      guint16 type,
      const char *table,
      const char *set,
      GArray *objects,
      GError **error)
{
  guint8 space[CG_NETLINK_MESSAGE_MAX] __attribute__ ((aligned (NLMSG_ALIGNTO)));
  struct nlmsghdr *request = mnl_nlmsg_put_header (space);
  request->nlmsg_type = (guint16) (NFNL_SUBSYS_NFTABLES << 8 | type);
  request->nlmsg_flags = NLM_F_DUMP;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header (request, sizeof *header);
  header->nfgen_family = NFPROTO_INET;
  header->version = NFNETLINK_V0;
  if (table)
    mnl_attr_put_strz (request, CG_NFT_TABLE, table);
  if (set)
    mnl_attr_put_strz (request, NFTA_SET_ELEM_LIST_SET, set);
  int number = cg_netlink_ask (netlink, request, parse_object, objects, error);
  if (number == ENOENT) { /* a set that somebody has taken away: the fingerprint will show it */
    g_clear_error (error);
    return TRUE;
  }
  return number == 0;
}

/* NFTA_OBJ_DATA of a counter holds NFTA_COUNTER_PACKETS, a 64 bit number in network order. */
static guint64
counter_packets (const Object *object)
{
  gsize size;
  gconstpointer bytes = g_bytes_get_data (object->attributes, &size);
  const struct nlattr *attr, *counter; /* "attr" is libmnl's word: the macro names it */
  mnl_attr_for_each_payload (bytes, size)
  {
    if (mnl_attr_get_type (attr) != NFTA_OBJ_DATA)
      continue;
    mnl_attr_for_each_nested (counter, attr)
    {
      if (mnl_attr_get_type (counter) == NFTA_COUNTER_PACKETS &&
          mnl_attr_validate (counter, MNL_TYPE_U64) >= 0)
        return be64toh (mnl_attr_get_u64 (counter));
    }
  }
  return 0;
}

static gboolean
look_at_table (CgNetlink *netlink,
               const char *table,
               GArray *tables,
               GArray *chains,
               GArray *guards,
               GError **error)
{
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GArray) counters = objects_new ();
  if (!dump (netlink, NFT_MSG_GETRULE, table, NULL, objects, error) ||
      !dump (netlink, NFT_MSG_GETSET, table, NULL, objects, error) ||
      !dump (netlink, NFT_MSG_GETSETELEM, table, "uids", objects, error) ||
      !dump (netlink, NFT_MSG_GETOBJ, table, NULL, counters, error))
    return FALSE;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  GArray *const sources[] = {tables, chains, objects};
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    for (guint j = 0; j < sources[i]->len; j++) {
      const Object *object = &g_array_index (sources[i], Object, j);
      gsize size;
      const guchar *bytes = g_bytes_get_data (object->attributes, &size);
      if (g_str_equal (object->table, table))
        g_checksum_update (checksum, bytes, (gssize) size);
    }
  CgGuardFound guard = {.gateway = gateway_of (table),
                        .fingerprint = g_strdup (g_checksum_get_string (checksum))};
  for (guint i = 0; i < counters->len; i++)
    guard.dropped += counter_packets (&g_array_index (counters, Object, i));
  g_array_append_val (guards, guard);
  return TRUE;
}

gboolean
cg_nft_look (GArray *guards, GError **error)
{
  g_autoptr (CgNetlink) netlink = cg_netlink_open (NETLINK_NETFILTER, error);
  g_autoptr (GArray) tables = objects_new ();
  g_autoptr (GArray) chains = objects_new ();
  if (!netlink || !dump (netlink, NFT_MSG_GETTABLE, NULL, NULL, tables, error))
    return FALSE;
  if (tables->len > 0 && !dump (netlink, NFT_MSG_GETCHAIN, NULL, NULL, chains, error))
    return FALSE;
  for (guint i = 0; i < tables->len; i++) {
    const char *table = g_array_index (tables, Object, i).table;
    if (is_ours (table) && !look_at_table (netlink, table, tables, chains, guards, error))
      return FALSE;
  }
  return TRUE;
}

/* Loaded by hand and by the run that needs it alone: it costs more time and memory than all the
 * rest of this program. */
typedef struct {
  void *handle;
  typeof (nft_ctx_new) *new;
  typeof (nft_ctx_free) *free;
  typeof (nft_ctx_buffer_error) *buffer_error;
  typeof (nft_ctx_get_error_buffer) *get_error;
  typeof (nft_run_cmd_from_buffer) *run;
} Library;

static gboolean
load_library (Library *library, GError **error)
{
  library->handle = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library->handle) {
    library->new = dlsym (library->handle, "nft_ctx_new");
    library->free = dlsym (library->handle, "nft_ctx_free");
    library->buffer_error = dlsym (library->handle, "nft_ctx_buffer_error");
    library->get_error = dlsym (library->handle, "nft_ctx_get_error_buffer");
    library->run = dlsym (library->handle, "nft_run_cmd_from_buffer");
  }
  if (library->handle && library->new && library->free && library->buffer_error &&
      library->get_error && library->run)
    return TRUE;
  g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "%s; install libnftables", dlerror ());
  return FALSE;
}

gboolean
cg_nft_run (const char *commands, GError **error)
{
  Library library = {NULL};
  if (!load_library (&library, error))
    return FALSE;
  struct nft_ctx *context = library.new(NFT_CTX_DEFAULT);
  gboolean done = FALSE;
  if (context && library.buffer_error (context) == 0)
    done = library.run (context, commands) == 0;
  if (!done) {
    /* its first line says what is wrong, the rest repeats our text */
    g_auto (GStrv) lines = g_strsplit (context ? library.get_error (context) : "", "\n", 2);
    g_set_error (error, CG_ERROR, CG_ERROR_FAILED, "nftables: %s",
                 lines[0] && *lines[0] ? lines[0] : "no memory");
  }
  if (context)
    library.free (context);
  dlclose (library.handle);
  return done;
}
