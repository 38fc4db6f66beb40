/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "paths.h"
#include "version.h"

typedef int (*Command) (const CgOptions *options, const char *const *arguments);

enum { TAKES_DRY_RUN = 1, TAKES_JSON = 2, CHANGES = 4 };

static const struct {
  const char *name;
  Command run;
  guint traits;
  const char *arguments;
  const char *what;
} commands[] = {
    {"reapply", cg_command_reapply, TAKES_DRY_RUN | CHANGES, "[GATEWAY...]",
     "make the kernel match configuration and tunnel, now"},
    {"remove", cg_command_remove, TAKES_DRY_RUN | CHANGES, "[GATEWAY...]",
     "release: take away all that is ours"},
    {"status", cg_command_status, TAKES_JSON, "[GATEWAY...]",
     "what should be, what is, what differs"},
    {"check", cg_command_check, 0, "[FILE...]", "validate configuration, touching nothing"},
    {"monitor", cg_command_monitor, CHANGES, "",
     "stay, follow the tunnels, repair what others break"},
    {"attach", cg_command_attach, CHANGES, "CONNECTION [KEY=VALUE...]",
     "keep a gateway in a NetworkManager profile's user data"},
    {"detach", cg_command_detach, CHANGES, "CONNECTION", "take it out of there again"},
    {"event", cg_command_event, CHANGES, "nm IFACE ACTION", "for NetworkManager's dispatcher"},
    {"event", cg_command_event, CHANGES, "networkd STATE", "for networkd-dispatcher"},
    {"event", cg_command_event, CHANGES, "service start|stop UNIT", "for the drop-ins of services"},
    {"event", cg_command_event, CHANGES, "gateway start|stop GATEWAY", "for the units of gateways"},
};

static char *
command_list (void)
{
  g_autoptr (GString) text = g_string_new ("Commands:\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    g_autofree char *call = g_strjoin (" ", commands[i].name, commands[i].arguments, NULL);
    g_string_append_printf (text, "  %-33s%s\n", call, commands[i].what);
  }
  g_string_append (text, "\nExit status: 0 done, 1 failed, 2 bad usage or configuration, 3 status "
                         "found a difference.\nSee custom-gateway(8) and custom-gateway.conf(5).");
  return g_strdup (text->str);
}

static int
bad_usage (const char *problem, const char *word)
{
  g_autofree char *quoted = cg_quote (word);
  g_warning ("%s %s; see 'custom-gateway --help'", problem, quoted);
  return CG_EXIT_CONFIG;
}

static int
run_command (const CgOptions *options, const char *const *words)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    if (!g_str_equal (commands[i].name, words[0]))
      continue;
    if (options->dry_run && !(commands[i].traits & TAKES_DRY_RUN))
      return bad_usage ("--dry-run does not go with", words[0]);
    if (options->json && !(commands[i].traits & TAKES_JSON))
      return bad_usage ("--json does not go with", words[0]);
    /* whoever no longer listens to what we say must not end a change half way */
    if ((commands[i].traits & CHANGES) && !options->dry_run)
      signal (SIGPIPE, SIG_IGN);
    return commands[i].run (options, words + 1);
  }
  return bad_usage ("no such command", words[0]);
}

/* Whoever starts us with one of the first three closed would have what we open next in its place,
 * and our messages in a netlink socket. What is written to one of these is an error, not lost. */
static void
open_standard_descriptors (void)
{
  int fd;
  do
    fd = open ("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

/* Data that went nowhere are no success. */
static int
end (int status)
{
  errno = 0;
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  g_warning ("standard output: %s", g_strerror (errno ? errno : EIO)); /* it was an earlier write */
  return CG_EXIT_FAILED;
}

int
main (int argc, char **argv)
{
  g_autofree char *config_dir = NULL, *runtime_dir = NULL, *state_dir = NULL;
  g_auto (GStrv) words = NULL;
  gboolean dry_run = FALSE, json = FALSE;
  gboolean verbose = FALSE, quiet = FALSE, version = FALSE, help = FALSE;
  const GOptionEntry entries[] = {
      {"dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run,
       "With reapply and remove: print the operations and change nothing", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "With status: print JSON", NULL},
      {"config-dir", 0, 0, G_OPTION_ARG_FILENAME, &config_dir,
       "Where the gateways' files are (" CG_CONFIG_DIR ")", "DIR"},
      {"runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &runtime_dir,
       "Where the lock and kept values are (" CG_RUNTIME_DIR ")", "DIR"},
      {"state-dir", 0, 0, G_OPTION_ARG_FILENAME, &state_dir,
       "Where the last good files are (" CG_STATE_DIR ")", "DIR"},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Say, too, when there was nothing to do",
       NULL},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Say what went wrong, nothing else", NULL},
      {"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words, NULL,
       "COMMAND [ARGUMENT...]"},
      G_OPTION_ENTRY_NULL,
  };
  open_standard_descriptors ();
  umask (022); /* what we write is for everyone to read, and for root to write */
  g_autofree char *description = command_list ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (
      context, "Sends the traffic of chosen services, and of them alone, through a tunnel.");
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_help_enabled (context, FALSE); /* GLib's would want to know the locale, and
                                                         take a dozen system calls to find out */
  gboolean parsed = g_option_context_parse (context, &argc, &argv, &error);
  cg_log_setup (verbose ? 1 : quiet ? -1 : 0);
  if (!parsed) {
    g_warning ("%s; see 'custom-gateway --help'", error->message);
    return CG_EXIT_CONFIG;
  }
  if (version) {
    puts ("custom-gateway " CG_VERSION);
    return end (CG_EXIT_DONE);
  }
  help = help || (words && g_str_equal (words[0], "help"));
  if (help || !words) {
    g_autofree char *text = g_option_context_get_help (context, TRUE, NULL);
    fputs (text, help ? stdout : stderr);
    return end (help ? CG_EXIT_DONE : CG_EXIT_CONFIG);
  }
  const CgOptions options = {
      .config_dir = config_dir ? config_dir : CG_CONFIG_DIR,
      .runtime_dir = runtime_dir ? runtime_dir : CG_RUNTIME_DIR,
      .state_dir = state_dir ? state_dir : CG_STATE_DIR,
      .dry_run = dry_run,
      .json = json,
  };
  return end (run_command (&options, (const char *const *) words));
}
