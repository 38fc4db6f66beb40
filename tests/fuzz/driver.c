/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The main() of a fuzz target where libFuzzer is not at hand: the files given, then so many
 * mutations of them, the same at each run. */

#include "driver.h"

#include <glib.h>
#include <string.h>

#define N_MUTATIONS 20000
#define MAX_SIZE    4096

static void
load (GPtrArray *inputs, const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  if (dir) {
    for (const char *name; (name = g_dir_read_name (dir));) {
      g_autofree char *file = g_build_filename (path, name, NULL);
      load (inputs, file);
    }
    return;
  }
  char *text;
  gsize size;
  g_autoptr (GError) error = NULL;
  if (!g_file_get_contents (path, &text, &size, &error))
    g_error ("%s", error->message);
  g_ptr_array_add (inputs, g_bytes_new_take (text, size));
}

/* By content, so that the order of a directory does not count. */
static int
by_content (gconstpointer a, gconstpointer b)
{
  return g_bytes_compare (*(GBytes *const *) a, *(GBytes *const *) b);
}

/* In memory of exactly that size, so that a sanitizer sees a read past the end. */
static void
try_bytes (const guint8 *bytes, gsize size)
{
  g_autofree guint8 *exact = g_memdup2 (bytes, size);
  LLVMFuzzerTestOneInput (exact, size);
}

static GBytes *
pick (GRand *rand, const GPtrArray *inputs)
{
  return inputs->pdata[g_rand_int_range (rand, 0, (gint32) inputs->len)];
}

static void
mutate (GRand *rand, const GPtrArray *inputs, GByteArray *bytes)
{
  guint at = bytes->len ? (guint) g_rand_int_range (rand, 0, (gint32) bytes->len) : 0;
  guint8 byte = (guint8) g_rand_int (rand);
  gsize size;
  switch (bytes->len ? g_rand_int_range (rand, 0, 5) : 3) {
  case 0:
    bytes->data[at] = byte;
    break;
  case 1:
    bytes->data[at] ^= (guint8) (1u << (byte % 8));
    break;
  case 2:
    g_byte_array_remove_range (bytes, at, MIN (1u + byte % 8, bytes->len - at));
    break;
  case 3: { /* a piece of another */
    const guint8 *other = g_bytes_get_data (pick (rand, inputs), &size);
    gsize from = size ? (gsize) g_rand_int_range (rand, 0, (gint32) size) : 0;
    if (bytes->len + size < MAX_SIZE && size)
      g_byte_array_append (bytes, other + from, (guint) MIN (size - from, 1u + byte));
    break;
  }
  default:
    g_byte_array_set_size (bytes, at);
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) inputs = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (int i = 1; i < argc; i++)
    load (inputs, argv[i]);
  if (inputs->len == 0)
    g_error ("usage: %s FILE-OR-DIRECTORY...", argv[0]);
  g_ptr_array_sort (inputs, by_content);

  for (guint i = 0; i < inputs->len; i++) {
    gsize size;
    const guint8 *bytes = g_bytes_get_data (inputs->pdata[i], &size);
    try_bytes (bytes, size);
  }
  GRand *rand = g_rand_new_with_seed (198);
  for (guint i = 0; i < N_MUTATIONS; i++) {
    gsize size;
    const guint8 *bytes = g_bytes_get_data (pick (rand, inputs), &size);
    g_autoptr (GByteArray) mutated = g_byte_array_new ();
    g_byte_array_append (mutated, bytes, (guint) size);
    for (gint32 n = g_rand_int_range (rand, 1, 6); n > 0; n--)
      mutate (rand, inputs, mutated);
    try_bytes (mutated->data, mutated->len);
  }
  g_rand_free (rand);
  return 0;
}
