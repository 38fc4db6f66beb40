/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdio.h>
#include <unistd.h>

#include "error.h"

static const char *
message_of (const GLogField *fields, gsize n_fields)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      return fields[i].value;
  return "";
}

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer verbosity)
{
  static const GLogLevelFlags up_to[] = {G_LOG_LEVEL_WARNING, G_LOG_LEVEL_MESSAGE,
                                         G_LOG_LEVEL_DEBUG};
  if ((level & G_LOG_LEVEL_MASK) > up_to[GPOINTER_TO_INT (verbosity) + 1])
    return G_LOG_WRITER_HANDLED;
  if (g_log_writer_is_journald (STDERR_FILENO) &&
      g_log_writer_journald (level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;
  g_autofree char *line = cg_printable (message_of (fields, n_fields));
  fprintf (stderr, "custom-gateway: %s\n", line);
  return G_LOG_WRITER_HANDLED;
}

void
cg_log_setup (int verbosity)
{
  g_log_set_writer_func (write_log, GINT_TO_POINTER (CLAMP (verbosity, -1, 1)), NULL);
}
