/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Prints the drop-in that DNS= asks for, as the generator will have it: "dropin-dns FILE". */

#include <stdio.h>

#include "config.h"
#include "dropin-dns.h"

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CgGateway) gateway =
      argc == 2 ? cg_config_load_file (argv[1], cg_user_lookup, &error) : NULL;
  if (!gateway) {
    g_printerr ("%s\n", error ? error->message : "usage: dropin-dns FILE");
    return 1;
  }
  g_autoptr (GString) text = g_string_new ("[Service]\n");
  cg_dropin_append_dns (text, gateway);
  fputs (text->str, stdout);
  return 0;
}
